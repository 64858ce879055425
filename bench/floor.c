// The floor of this kernel: Redis pub/sub in, one send() per event and socket out, nothing else.
//
// It speaks just enough HTTP, Engine.IO and Socket.IO for bench/load.c, trusts its input and checks no token. Messages
// of the channel `bench` are the conversation (8 characters) and the packet to send. Usage: floor PORT REDIS_PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOMS_MAX 100000
#define UPGRADED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
#define OPEN "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}"
#define CONNECTED "40{\"sid\":\"x\"}"
#define HEAD "message\r\n$5\r\nbench\r\n$"

typedef struct { int fd, upgraded, length; uint8_t buffer[4096]; } Client;
static struct { int *fds, count, capacity; } rooms[ROOMS_MAX];
static uint8_t stream[1 << 20];
static size_t stream_length;

static void send_all(int fd, const void *bytes, size_t size) {
  // A full or closed socket loses its event; the load client counts that.
  if (send(fd, bytes, size, MSG_NOSIGNAL) < 0 && errno == EBADF) perror("send");
}

static size_t frame(uint8_t *to, const void *text, size_t size) {
  size_t head = size < 126 ? 2 : 4;
  to[0] = 0x81;
  to[1] = size < 126 ? size : 126;
  if (size >= 126) { to[2] = size >> 8; to[3] = size; }
  memcpy(to + head, text, size);
  return head + size;
}

static int room_of(const uint8_t *digits) {
  int room = 0;
  for (int i = 0; i < 7; i++) room = room * 10 + digits[i] - '0';
  return room % ROOMS_MAX;
}

static void join(int room, int fd) {
  if (rooms[room].count == rooms[room].capacity)
    rooms[room].fds = realloc(rooms[room].fds, sizeof(int) * (rooms[room].capacity = rooms[room].capacity * 2 + 2));
  rooms[room].fds[rooms[room].count++] = fd;
}

static int base64_value(int c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

// The conversation in the claims of a session token, without looking at its signature.
static int room_in_token(const uint8_t *text, size_t size) {
  uint8_t claims[2048];
  const uint8_t *dot = memchr(text, '.', size);
  size_t length = 0;
  int bits = 0, held = 0;
  for (const uint8_t *p = dot + 1; dot && p < text + size && length < sizeof claims; p++) {
    int value = base64_value(*p);
    if (value < 0) break;
    held = (held << 6 | value) & 0xffff;
    if ((bits += 6) >= 8) claims[length++] = held >> (bits -= 8);
  }
  uint8_t *found = memmem(claims, length, "\"conv\":\"r", 9);
  return found ? room_of(found + 9) : 0;
}

static void read_client(Client *c) {
  ssize_t got = recv(c->fd, c->buffer + c->length, sizeof c->buffer - c->length, 0);
  uint8_t answer[512];
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) { // the load client leaves as a whole
    for (int room = 0; room < ROOMS_MAX; room++) rooms[room].count = 0;
    close(c->fd);
    free(c);
    return;
  }
  c->length += got;
  if (!c->upgraded) {
    if (!memmem(c->buffer, c->length, "\r\n\r\n", 4)) return;
    memcpy(answer, UPGRADED, sizeof UPGRADED - 1);
    send_all(c->fd, answer, sizeof UPGRADED - 1 + frame(answer + sizeof UPGRADED - 1, OPEN, sizeof OPEN - 1));
    c->upgraded = 1;
  } else if (memmem(c->buffer, c->length, "\"token\"", 7)) {
    join(room_in_token(c->buffer, c->length), c->fd);
    send_all(c->fd, answer, frame(answer, CONNECTED, sizeof CONNECTED - 1));
  }
  c->length = 0;
}

static void read_redis(int fd) {
  ssize_t got = recv(fd, stream + stream_length, sizeof stream - stream_length, 0);
  if (got <= 0) return;
  stream_length += got;
  uint8_t *p = stream, *end = stream + stream_length, out[8192];
  for (;;) {
    uint8_t *head = memmem(p, end - p, HEAD, sizeof HEAD - 1);
    if (!head) break;
    uint8_t *size_at = head + sizeof HEAD - 1, *line = memchr(size_at, '\n', end - size_at);
    if (!line) break;
    long size = strtol((char *)size_at, NULL, 10);
    if (end - line - 1 < size + 2 || size < 9 || size > 8000) break;
    int room = room_of(line + 2);
    size_t length = frame(out, line + 9, size - 8);
    for (int i = 0; i < rooms[room].count; i++) send_all(rooms[room].fds[i], out, length);
    p = line + 1 + size + 2;
  }
  memmove(stream, p, stream_length = end - p);
}

int main(int count, char **words) {
  if (count != 3) { fprintf(stderr, "usage: floor PORT REDIS_PORT\n"); return 2; }
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), redis = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) { perror("listen"); return 1; }
  address.sin_port = htons(atoi(words[2]));
  if (connect(redis, (void *)&address, sizeof address)) { perror("redis"); return 1; }
  send_all(redis, "SUBSCRIBE bench\r\n", 17);
  fcntl(redis, F_SETFL, O_NONBLOCK);
  int poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener}, ready[256];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  event.data.ptr = &redis;
  epoll_ctl(poller, EPOLL_CTL_ADD, redis, &event);
  for (;;) {
    int many = epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < many; i++) {
      if (ready[i].data.ptr == &redis) { read_redis(redis); continue; }
      if (ready[i].data.ptr != &listener) { read_client(ready[i].data.ptr); continue; }
      int fd;
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Client *c = calloc(1, sizeof *c);
        c->fd = fd;
        event.data.ptr = c;
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
      }
    }
  }
}
