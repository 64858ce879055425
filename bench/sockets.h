// What the load clients share: Socket.IO websockets on one epoll, the check of every index, clocks, and options.
//
// Socket i connects with line i of --tokens. Per socket every index has to come once and in order: what is missing,
// doubled or late is counted, never repaired. CPU is the exact process clock of a pid (all its threads). Included by
// load.c and talk.c, which say what an event means to them.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clocks.h"

#define LATENCY_SLOTS 2000000 // microseconds: two seconds
#define MISSING_MAX 64        // indices remembered per socket that did not come
#define MS 1000000ull
#define CONNECT_LIMIT_S 60
#define PER_ADDRESS 4000 // sockets per source address, so that ports do not run out
#define EVENT "42[\"event\","

enum phase { TCP, HTTP, OPENING, CONNECTING, UP, DEAD };

typedef struct {
  int fd, id;
  enum phase phase;
  uint8_t *buffer;
  size_t length, capacity;
  uint32_t last; // highest index seen
  uint32_t missing[MISSING_MAX];
  int missing_count;
} Socket;

typedef struct { uint32_t slots[LATENCY_SLOTS]; uint64_t max; } Latencies;
typedef struct { const char *name; int *whole; double *real; const char **text; } Option;

static struct {
  int port, conns, at_once, deflate, first;
  const char *tokens;
} sockets_option = {.conns = 1, .at_once = 64, .first = 1000000000};

static Socket *sockets;
static char **tokens;
static int poller, started, opening, up, dead;
static uint64_t progressed, gaps, duplicates, reordered, reads, bytes_in;
static int measuring;

static void take_event(Socket *s, uint8_t *text, size_t size, uint64_t at); // the including program's
static void take_other(Socket *s, uint8_t *text, size_t size);              // acknowledgements and control messages

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "gave up");
  exit(1);
}

// -- sockets ---------------------------------------------------------------------------------------------------------

static void lose(Socket *s, const char *why) {
  if (s->phase == DEAD) return;
  if (s->phase == UP) up--; else opening--;
  if (!dead++) fprintf(stderr, "load: socket %d lost: %s\n", s->id, why);
  s->phase = DEAD;
  close(s->fd);
}

static void open_socket(void) {
  Socket *s = &sockets[started];
  int one = 1;
  struct linger reset = {1, 0};
  struct sockaddr_in source = {.sin_family = AF_INET}, target = {.sin_family = AF_INET, .sin_port = htons(sockets_option.port)};
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  source.sin_addr.s_addr = htonl(0x7f000000u | (getpid() & 0x3fff) << 8 | (2 + started / PER_ADDRESS));
  s->id = started++;
  opening++;
  s->phase = TCP;
  s->last = sockets_option.first;
  s->capacity = 4096;
  s->buffer = malloc(s->capacity);
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (s->fd < 0) fail("socket");
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); // no TIME_WAIT between runs
  if (bind(s->fd, (void *)&source, sizeof source)) fail("bind");
  if (connect(s->fd, (void *)&target, sizeof target) && errno != EINPROGRESS) fail("connect");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};
  epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event);
}

static void send_upgrade(Socket *s) {
  char request[1024];
  int length = snprintf(request, sizeof request,
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36\r\n"
    "Accept-Language: en\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", sockets_option.port, sockets_option.port,
    sockets_option.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
  if (send(s->fd, request, length, MSG_NOSIGNAL) != length) { lose(s, "request not sent"); return; }
  s->phase = HTTP;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
  epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &event);
}

// A masked text frame; the mask is zero, which every server accepts.
static void send_text(Socket *s, const char *text, size_t size) {
  uint8_t frame[4096] = {0x81};
  size_t head = size < 126 ? 2 : 4;
  frame[1] = 0x80 | (size < 126 ? size : 126);
  if (size >= 126) { frame[2] = size >> 8; frame[3] = size; }
  memset(frame + head, 0, 4);
  memcpy(frame + head + 4, text, size);
  if (send(s->fd, frame, head + 4 + size, MSG_NOSIGNAL) < 0 && errno != EAGAIN) lose(s, "send failed");
}

static void send_connect(Socket *s) {
  char text[3000];
  s->phase = CONNECTING;
  send_text(s, text, snprintf(text, sizeof text, "40{\"token\":\"%s\"}", tokens[s->id]));
}

static void set_up(Socket *s) {
  s->phase = UP;
  up++;
  opening--;
}

// -- what must arrive ------------------------------------------------------------------------------------------------

// An event that stands for the indices `from` to `index`.
static void take_range(Socket *s, uint32_t from, uint32_t index) {
  if (index > s->last) {
    for (uint32_t skipped = s->last + 1; skipped < from; skipped++) {
      gaps++;
      if (s->missing_count < MISSING_MAX) s->missing[s->missing_count++] = skipped;
    }
    if (from <= s->last) duplicates++;
    progressed += index - s->last; // a hole must not shrink the window
    s->last = index;
    return;
  }
  for (int i = 0; i < s->missing_count; i++) {
    if (s->missing[i] == index) {
      s->missing[i] = s->missing[--s->missing_count];
      gaps--;
      reordered++;
      return;
    }
  }
  duplicates++;
}

static void take_message(Socket *s, uint8_t *text, size_t size, int opcode, int compressed, uint64_t at) {
  if (opcode == 8) { lose(s, "closed by the server"); return; }
  if (opcode != 1 || !size) return;
  if (s->phase == OPENING) { // with deflate the first message can only be the open packet
    if (compressed || text[0] == '0') send_connect(s); else lose(s, "expected an open packet");
  } else if (compressed) {
    if (s->phase == CONNECTING) set_up(s);
    else if (size < 6) send_text(s, "3", 1);
  } else if (size == 1 && text[0] == '2') {
    send_text(s, "3", 1);
  } else if (s->phase == CONNECTING) {
    if (size > 1 && text[0] == '4' && text[1] == '0') { set_up(s); return; }
    fprintf(stderr, "load: refused: %.*s\n", (int)(size < 160 ? size : 160), text);
    lose(s, "refused");
  } else if (size > sizeof EVENT && !memcmp(text, EVENT, sizeof EVENT - 1)) {
    take_event(s, text, size, at);
  } else {
    take_other(s, text, size);
  }
}

// Takes whole frames from the buffer; returns the bytes used.
static size_t take_frames(Socket *s, uint64_t at) {
  size_t used = 0;
  while (s->phase != DEAD) {
    uint8_t *p = s->buffer + used;
    size_t left = s->length - used, head = 2, size;
    if (s->phase == HTTP) {
      uint8_t *end = memmem(p, left, "\r\n\r\n", 4);
      if (!end) break;
      if (memcmp(p + 9, "101", 3)) { fprintf(stderr, "load: %.120s\n", p); lose(s, "no upgrade"); break; }
      used += end + 4 - p;
      s->phase = OPENING;
      continue;
    }
    if (left < 2) break;
    size = p[1] & 127;
    if (size == 126) {
      if (left < 4) break;
      size = p[2] << 8 | p[3];
      head = 4;
    } else if (size == 127) {
      if (left < 10) break;
      size = 0;
      for (int i = 2; i < 10; i++) size = size << 8 | p[i];
      head = 10;
    }
    if (left < head + size) {
      if (head + size > s->capacity) s->buffer = realloc(s->buffer, s->capacity = head + size + 4096);
      break;
    }
    take_message(s, p + head, size, p[0] & 15, p[0] & 0x40, at);
    used += head + size;
  }
  return used;
}

static void read_socket(Socket *s) {
  while (s->phase != DEAD) {
    if (s->capacity - s->length < 2048) s->buffer = realloc(s->buffer, s->capacity *= 2);
    size_t room = s->capacity - s->length - 1; // one byte stays for the terminator that strtoul needs
    ssize_t got = recv(s->fd, s->buffer + s->length, room, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { lose(s, got ? "reset" : "connection closed"); return; }
    uint64_t at = now();
    if (measuring) reads++, bytes_in += got;
    s->length += got;
    s->buffer[s->length] = 0;
    size_t used = take_frames(s, at);
    if (s->phase == DEAD) return;
    memmove(s->buffer, s->buffer + used, s->length -= used);
    if ((size_t)got < room) return;
  }
}

// Serve what is ready, waiting for it no longer than this.
static void wait_once(uint64_t timeout_ns) {
  struct epoll_event ready[512];
  struct timespec limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
  int count = syscall(SYS_epoll_pwait2, poller, ready, 512, &limit, NULL, 0);
  if (count < 0 && errno == ENOSYS) count = epoll_wait(poller, ready, 512, timeout_ns / 1000000);
  for (int i = 0; i < count; i++) {
    Socket *s = ready[i].data.ptr;
    if (s->phase == DEAD) continue;
    if (s->phase != TCP) read_socket(s);
    else if (ready[i].events & (EPOLLERR | EPOLLHUP)) lose(s, "connection refused");
    else if (ready[i].events & EPOLLOUT) send_upgrade(s);
  }
}

static void connect_all(void) {
  uint64_t limit = now() + CONNECT_LIMIT_S * 1000000000ull;
  while (up < sockets_option.conns) {
    while (started < sockets_option.conns && opening < sockets_option.at_once) open_socket();
    wait_once(5 * MS);
    if (dead) exit(3);
    if (now() > limit) fail("sockets did not connect in time");
  }
}

// -- figures and options ---------------------------------------------------------------------------------------------

static void note(Latencies *all, uint64_t us) {
  all->slots[us < LATENCY_SLOTS ? us : LATENCY_SLOTS - 1]++;
  if (us > all->max) all->max = us;
}

static double percentile(Latencies *all, double share) {
  uint64_t total = 0, sum = 0;
  for (int i = 0; i < LATENCY_SLOTS; i++) total += all->slots[i];
  for (int i = 0; i < LATENCY_SLOTS; i++)
    if ((sum += all->slots[i]) > share * total) return i;
  return 0;
}

static void read_options(int count, char **words, const Option *own, size_t many) {
  const Option common[] = {
    {"port", .whole = &sockets_option.port}, {"conns", .whole = &sockets_option.conns},
    {"at-once", .whole = &sockets_option.at_once}, {"deflate", .whole = &sockets_option.deflate},
    {"first", .whole = &sockets_option.first}, {"tokens", .text = &sockets_option.tokens}};
  size_t shared = sizeof common / sizeof *common;
  for (int i = 1; i + 1 < count; i += 2) {
    int found = 0;
    for (size_t k = 0; k < shared + many && !found; k++) {
      const Option *known = k < shared ? &common[k] : &own[k - shared];
      if (strncmp(words[i], "--", 2) || strcmp(words[i] + 2, known->name)) continue;
      if (known->whole) *known->whole = atoi(words[i + 1]);
      if (known->real) *known->real = atof(words[i + 1]);
      if (known->text) *known->text = words[i + 1];
      found = 1;
    }
    if (!found) { fprintf(stderr, "load: unknown option %s\n", words[i]); exit(2); }
  }
  if (sockets_option.tokens && sockets_option.port) return;
  fprintf(stderr, "load: expected --port and --tokens\n");
  exit(2);
}

// What every program does before it connects.
static void prepare(void) {
  char line[3000];
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_TIMERSLACK, 1); // else a wait for the next event is 50 us too long
  sockets = calloc(sockets_option.conns, sizeof *sockets);
  tokens = calloc(sockets_option.conns, sizeof *tokens);
  poller = epoll_create1(0);
  FILE *file = fopen(sockets_option.tokens, "r");
  if (!file) fail(sockets_option.tokens);
  for (int i = 0; i < sockets_option.conns; i++) {
    if (!fgets(line, sizeof line, file)) fail("tokens: expected one line per socket");
    line[strcspn(line, "\n")] = 0;
    tokens[i] = strdup(line);
  }
  fclose(file);
}
