// Load client of the benchmark: Socket.IO sockets, Redis publisher and CPU sampler in one thread on one epoll.
//
// It opens --conns websockets (Engine.IO 4, Socket.IO 5), socket i with line i of --tokens, waits until each has its
// CONNECT answer, then publishes events from a RESP template (--template, bench/wire.py) to --rooms conversations in
// turn. Closed loop: at most --window deliveries under way; open loop: --rate events/s. Each event carries its index
// and a CLOCK_MONOTONIC stamp. Per socket every index has to come once and in order: what is missing, doubled or late
// is counted, never repaired. CPU is the exact process clock of --pid (all its threads). Prints one JSON object.
//
// In a template `r@@@@@@@` becomes the conversation, `1777777777` (also as 32 bits) the index, nineteen `T` the stamp.
#define _GNU_SOURCE
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LATENCY_SLOTS 2000000 // microseconds: two seconds
#define MISSING_MAX 64        // indices remembered per socket that did not come
#define PATCHES_MAX 16
#define CONNECT_LIMIT_S 60
#define DRAIN_LIMIT_S 3
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

static struct {
  int port, redis_port, pid, redis_pid, conns, rooms, window, at_once, deflate, connect_only;
  long first;
  double rate, seconds, warm_s, hold_s;
  const char *template, *tokens;
} option = {.conns = 1, .window = 2000, .at_once = 64, .first = 1000000000, .seconds = 2, .warm_s = 1};

static Socket *sockets;
static char **tokens;
static int poller, started, opening, up, dead;
static uint64_t progressed, gaps, duplicates, reordered, frames, reads, bytes_in;
static int measuring;
static uint32_t latency[LATENCY_SLOTS];
static uint64_t latency_max;

static int redis = -1;
static uint8_t *out;
static size_t out_length, out_sent, out_capacity;
static uint8_t template[65536];
static size_t template_length;
static struct { char kind; size_t at; } patches[PATCHES_MAX];
static int patch_count;
static uint32_t *sequence, next_room;
static uint64_t published;

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "gave up");
  exit(1);
}

static uint64_t read_clock(clockid_t id) {
  struct timespec t;
  return clock_gettime(id, &t) ? 0 : t.tv_sec * 1000000000ull + t.tv_nsec;
}
static uint64_t now(void) { return read_clock(CLOCK_MONOTONIC); }

static uint64_t cpu_of(int pid) {
  clockid_t id;
  return pid && !clock_getcpuclockid(pid, &id) ? read_clock(id) : 0;
}

// Time the process was ready to run while something else had its core: what a disturbed measurement shows.
static uint64_t waited(int pid) {
  char path[64];
  unsigned long long ran, wait = 0;
  snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
  FILE *file = fopen(path, "r");
  if (file && fscanf(file, "%llu %llu", &ran, &wait) != 2) wait = 0;
  if (file) fclose(file);
  return wait;
}

static long memory_kb(int pid) {
  char path[64], line[256];
  long value = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, "VmRSS:", 6)) value = atol(line + 6);
  if (file) fclose(file);
  return value;
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
  struct sockaddr_in source = {.sin_family = AF_INET}, target = {.sin_family = AF_INET, .sin_port = htons(option.port)};
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  source.sin_addr.s_addr = htonl(0x7f000000u | (getpid() & 0x3fff) << 8 | (2 + started / PER_ADDRESS));
  s->id = started++;
  opening++;
  s->phase = TCP;
  s->last = option.first;
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
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", option.port, option.port,
    option.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
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

static void take_index(Socket *s, uint32_t index) {
  if (index > s->last) {
    for (uint32_t skipped = s->last + 1; skipped < index; skipped++) {
      gaps++;
      if (s->missing_count < MISSING_MAX) s->missing[s->missing_count++] = skipped;
    }
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

static void take_event(Socket *s, uint8_t *text, size_t size, uint64_t at) {
  uint8_t *index = memmem(text, size, "\"index\":", 8);
  uint8_t *stamp = memmem(text, size, "\"text\":\"@", 9);
  if (!index) return;
  frames++;
  take_index(s, strtoul((char *)index + 8, NULL, 10));
  if (!measuring || !stamp) return;
  uint64_t us = (at - strtoull((char *)stamp + 9, NULL, 10)) / 1000;
  latency[us < LATENCY_SLOTS ? us : LATENCY_SLOTS - 1]++;
  if (us > latency_max) latency_max = us;
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

static void read_socket(Socket *s, uint64_t at) {
  while (s->phase != DEAD) {
    if (s->capacity - s->length < 2048) s->buffer = realloc(s->buffer, s->capacity *= 2);
    size_t room = s->capacity - s->length - 1; // one byte stays for the terminator that strtoul needs
    ssize_t got = recv(s->fd, s->buffer + s->length, room, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { lose(s, got ? "reset" : "connection closed"); return; }
    if (measuring) reads++, bytes_in += got;
    s->length += got;
    s->buffer[s->length] = 0;
    size_t used = take_frames(s, at);
    if (s->phase == DEAD) return;
    memmove(s->buffer, s->buffer + used, s->length -= used);
    if ((size_t)got < room) return;
  }
}

static void wait_once(int timeout_ms) {
  struct epoll_event ready[512];
  int count = epoll_wait(poller, ready, 512, timeout_ms);
  uint64_t at = now();
  for (int i = 0; i < count; i++) {
    Socket *s = ready[i].data.ptr;
    if (s->phase == DEAD) continue;
    if (s->phase != TCP) read_socket(s, at);
    else if (ready[i].events & (EPOLLERR | EPOLLHUP)) lose(s, "connection refused");
    else if (ready[i].events & EPOLLOUT) send_upgrade(s);
  }
}

// -- publishing ------------------------------------------------------------------------------------------------------

static void load_template(void) {
  FILE *file = fopen(option.template, "rb");
  if (!file) fail(option.template);
  template_length = fread(template, 1, sizeof template, file);
  fclose(file);
  static const struct { char kind; const char *mark; } marks[] = {
    {'r', "r@@@@@@@"}, {'i', "1777777777"}, {'b', "\x69\xf6\xbc\x71"}, {'t', "TTTTTTTTTTTTTTTTTTT"}};
  for (size_t at = 0; at < template_length; at++)
    for (int m = 0; m < 4; m++) {
      size_t size = strlen(marks[m].mark);
      if (template_length - at < size || memcmp(template + at, marks[m].mark, size)) continue;
      if (patch_count == PATCHES_MAX) fail("template: too many marks");
      patches[patch_count].kind = marks[m].kind;
      patches[patch_count++].at = at;
      at += size - 1;
      break;
    }
}

static void put_digits(uint8_t *to, uint64_t value, int digits) {
  while (digits--) { to[digits] = '0' + value % 10; value /= 10; }
}

static void publish(uint64_t at) {
  if (out_length + template_length > out_capacity) {
    memmove(out, out + out_sent, out_length -= out_sent);
    out_sent = 0;
    out_capacity = out_length + template_length > out_capacity ? out_capacity * 2 + template_length : out_capacity;
    out = realloc(out, out_capacity);
  }
  uint8_t *command = out + out_length;
  memcpy(command, template, template_length);
  next_room = (next_room + 1) % option.rooms;
  uint32_t index = option.first + ++sequence[next_room];
  for (int i = 0; i < patch_count; i++) {
    uint8_t *p = command + patches[i].at;
    if (patches[i].kind == 'r') put_digits(p + 1, next_room, 7);
    else if (patches[i].kind == 'i') put_digits(p, index, 10);
    else if (patches[i].kind == 'b') { uint32_t big_endian = htonl(index); memcpy(p, &big_endian, 4); }
    else put_digits(p, at, 19);
  }
  out_length += template_length;
  published++;
}

static void flush_redis(void) {
  static char replies[1 << 18];
  while (out_sent < out_length) {
    ssize_t sent = send(redis, out + out_sent, out_length - out_sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) fail("redis");
    out_sent += sent;
  }
  if (out_sent == out_length) out_sent = out_length = 0;
  ssize_t got;
  while ((got = recv(redis, replies, sizeof replies - 1, MSG_DONTWAIT)) > 0) {
    replies[got] = 0;
    char *error = replies[0] == '-' ? replies : strstr(replies, "\r\n-");
    if (error) { fprintf(stderr, "load: redis: %.120s\n", error); exit(1); }
  }
}

static void open_redis(void) {
  int one = 1;
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(option.redis_port)};
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  redis = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(redis, (void *)&target, sizeof target)) fail("redis");
  setsockopt(redis, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(redis, F_SETFL, O_NONBLOCK);
  out = malloc(out_capacity = 1 << 20);
}

// -- the two measurements --------------------------------------------------------------------------------------------

static double percentile(double share) {
  uint64_t total = 0, sum = 0;
  for (int i = 0; i < LATENCY_SLOTS; i++) total += latency[i];
  for (int i = 0; i < LATENCY_SLOTS; i++)
    if ((sum += latency[i]) > share * total) return i;
  return 0;
}

static void connect_all(void) {
  uint64_t limit = now() + CONNECT_LIMIT_S * 1000000000ull;
  while (up < option.conns) {
    while (started < option.conns && opening < option.at_once) open_socket();
    wait_once(5);
    if (dead) exit(3);
    if (now() > limit) fail("sockets did not connect in time");
  }
}

static void measure_connecting(void) {
  long memory = memory_kb(option.pid);
  uint64_t began = now(), cpu = cpu_of(option.pid), waiting = waited(option.pid);
  connect_all();
  uint64_t took = now() - began;
  waiting = waited(option.pid) - waiting;
  cpu = cpu_of(option.pid) - cpu;
  uint64_t until = now() + (uint64_t)(option.hold_s * 1e9), idle = cpu_of(option.pid);
  while (now() < until) wait_once(50);
  idle = cpu_of(option.pid) - idle;
  printf("{\"conns\":%d,\"connects_per_s\":%.1f,\"cpu_us_per_connect\":%.2f,\"server_load\":%.3f,"
    "\"server_waited\":%.3f,\"kb_per_conn\":%.2f,\"rss_kb\":%ld,\"idle_us_per_conn_s\":%.2f,\"lost_sockets\":%d}\n",
    option.conns, option.conns / (took / 1e9), cpu / 1e3 / option.conns, cpu / (double)took,
    waiting / (double)took, (memory_kb(option.pid) - memory) / (double)option.conns, memory_kb(option.pid),
    option.hold_s > 0 ? idle / 1e3 / option.conns / option.hold_s : 0, dead);
}

static void measure_delivery(void) {
  uint64_t connect_cpu = cpu_of(option.pid);
  connect_all();
  connect_cpu = cpu_of(option.pid) - connect_cpu;
  load_template();
  open_redis();
  for (uint64_t until = now() + 300000000ull; now() < until;) wait_once(20);
  double fan = option.conns / (double)option.rooms;
  uint64_t began = now(), from = began + (uint64_t)(option.warm_s * 1e9), to = from + (uint64_t)(option.seconds * 1e9);
  uint64_t cpu = 0, redis_cpu = 0, own_cpu = 0, waiting = 0, events = 0, sent = 0, at, frames0 = 0;
  while ((at = now()) < to) {
    if (!measuring && at >= from) {
      measuring = 1;
      events = progressed, sent = published, frames0 = frames;
      cpu = cpu_of(option.pid), redis_cpu = cpu_of(option.redis_pid), own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
      waiting = waited(option.pid);
      from = now();
    }
    if (option.rate > 0) {
      uint64_t due = (uint64_t)((at - began) / 1e9 * option.rate);
      while (published < due && out_length - out_sent < 1 << 22) publish(at);
    } else {
      while (published * fan - progressed < option.window) publish(at);
    }
    flush_redis();
    wait_once(1);
    if (dead) exit(4);
  }
  double seconds = (now() - from) / 1e9, each;
  waiting = waited(option.pid) - waiting;
  cpu = cpu_of(option.pid) - cpu, redis_cpu = cpu_of(option.redis_pid) - redis_cpu;
  own_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - own_cpu;
  events = progressed - events, sent = published - sent, frames0 = frames - frames0;
  each = events ? events : 1;
  measuring = 0;
  for (uint64_t limit = now() + DRAIN_LIMIT_S * 1000000000ull; now() < limit && progressed < published * fan;) {
    flush_redis();
    wait_once(5);
  }
  for (uint64_t until = now() + 100000000ull; now() < until;) wait_once(20); // what comes twice comes late
  printf("{\"conns\":%d,\"rooms\":%d,\"deliveries_per_s\":%.0f,\"published_per_s\":%.0f,\"cpu_us_per_event\":%.3f,"
    "\"server_load\":%.3f,\"server_waited\":%.3f,\"redis_load\":%.3f,\"client_load\":%.3f,"
    "\"frames_per_read\":%.2f,\"bytes_per_event\":%.1f,"
    "\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%lu,\"cpu_us_per_connect\":%.1f,\"rss_kb\":%ld,"
    "\"lost\":%ld,\"duplicates\":%lu,\"reordered\":%lu}\n",
    option.conns, option.rooms, events / seconds, sent / seconds, cpu / 1e3 / each, cpu / 1e9 / seconds,
    waiting / 1e9 / seconds, redis_cpu / 1e9 / seconds, own_cpu / 1e9 / seconds,
    frames0 / (double)(reads ? reads : 1), bytes_in / each,
    percentile(.5), percentile(.9), percentile(.99), latency_max, connect_cpu / 1e3 / option.conns,
    memory_kb(option.pid), (long)(published * fan) - (long)progressed + (long)gaps, duplicates, reordered);
}

static void load_tokens(void) {
  char line[3000];
  FILE *file = fopen(option.tokens, "r");
  if (!file) fail(option.tokens);
  for (int i = 0; i < option.conns; i++) {
    if (!fgets(line, sizeof line, file)) fail("tokens: expected one line per socket");
    line[strcspn(line, "\n")] = 0;
    tokens[i] = strdup(line);
  }
  fclose(file);
}

static void read_options(int count, char **words) {
  static const struct { const char *name; int *whole; double *real; const char **text; } known[] = {
    {"port", .whole = &option.port}, {"redis-port", .whole = &option.redis_port}, {"pid", .whole = &option.pid},
    {"redis-pid", .whole = &option.redis_pid}, {"conns", .whole = &option.conns}, {"rooms", .whole = &option.rooms},
    {"window", .whole = &option.window}, {"at-once", .whole = &option.at_once}, {"deflate", .whole = &option.deflate},
    {"connect-only", .whole = &option.connect_only}, {"rate", .real = &option.rate},
    {"seconds", .real = &option.seconds}, {"warm", .real = &option.warm_s}, {"hold", .real = &option.hold_s},
    {"template", .text = &option.template}, {"tokens", .text = &option.tokens}};
  for (int i = 1; i + 1 < count; i += 2) {
    int found = 0;
    if (!strcmp(words[i], "--first")) { option.first = atol(words[i + 1]); continue; }
    for (size_t k = 0; k < sizeof known / sizeof *known && !found; k++) {
      if (strncmp(words[i], "--", 2) || strcmp(words[i] + 2, known[k].name)) continue;
      if (known[k].whole) *known[k].whole = atoi(words[i + 1]);
      if (known[k].real) *known[k].real = atof(words[i + 1]);
      if (known[k].text) *known[k].text = words[i + 1];
      found = 1;
    }
    if (!found) { fprintf(stderr, "load: unknown option %s\n", words[i]); exit(2); }
  }
  if (!option.rooms) option.rooms = option.conns;
  if (!option.tokens || !option.port || (!option.connect_only && (!option.template || !option.redis_port))) {
    fprintf(stderr, "load: expected --port, --tokens and, without --connect-only, --redis-port and --template\n");
    exit(2);
  }
}

int main(int count, char **words) {
  read_options(count, words);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  sockets = calloc(option.conns, sizeof *sockets);
  tokens = calloc(option.conns, sizeof *tokens);
  sequence = calloc(option.rooms, sizeof *sequence);
  poller = epoll_create1(0);
  load_tokens();
  if (option.connect_only) measure_connecting(); else measure_delivery();
  return 0;
}
