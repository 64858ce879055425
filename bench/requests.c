// HTTP load client of the benchmark: the same request over and over on --conns kept-alive connections, one thread.
//
// --request names a file with the whole request. In it twelve `R` become the number of a conversation, --conversations
// of them in turn: a service whose every call is about the same one has nothing to look up. Every answer has to be a 200 with Content-Length; anything else is
// counted as failed. CPU is the exact process clock of --pid. Prints one JSON object.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clocks.h"

#define LATENCY_SLOTS 1000000 // microseconds

typedef struct { int fd; size_t length; uint64_t sent_at; char buffer[16384]; } Connection;
static uint32_t latency[LATENCY_SLOTS];
static char request[65536];
static size_t request_length;
static char *mark; // the twelve digits to fill in
static unsigned long conversations = 1000, turn;
static uint64_t answered, failed;
static int measuring;

static void ask(Connection *c) {
  c->length = 0;
  unsigned long number = turn++ % conversations;
  for (int digit = 11; mark && digit >= 0; digit--, number /= 10) mark[digit] = '0' + number % 10;
  c->sent_at = read_clock(CLOCK_MONOTONIC);
  if (send(c->fd, request, request_length, MSG_NOSIGNAL) == (ssize_t)request_length) return;
  perror("requests: send");
  exit(1);
}

static void take(Connection *c, uint64_t at) {
  ssize_t got = recv(c->fd, c->buffer + c->length, sizeof c->buffer - 1 - c->length, 0);
  if (got <= 0) { fprintf(stderr, "requests: the server closed a connection\n"); exit(4); }
  c->buffer[c->length += got] = 0;
  char *end = strstr(c->buffer, "\r\n\r\n"), *size = strcasestr(c->buffer, "\r\ncontent-length:");
  if (!end || !size || c->length < end + 4 - c->buffer + strtoul(size + 17, NULL, 10)) return;
  if (memcmp(c->buffer + 9, "200", 3) && !failed++) fprintf(stderr, "requests: %.300s\n", c->buffer);
  uint64_t us = (at - c->sent_at) / 1000;
  if (measuring) answered++, latency[us < LATENCY_SLOTS ? us : LATENCY_SLOTS - 1]++;
  ask(c);
}

static long percentile(double share) {
  uint64_t sum = 0;
  for (long i = 0; i < LATENCY_SLOTS; i++)
    if ((sum += latency[i]) > share * answered) return i;
  return 0;
}

int main(int count, char **words) {
  int port = 0, pid = 0, conns = 32, one = 1;
  double seconds = 2, warm = 1;
  const char *path = NULL;
  for (int i = 1; i + 1 < count; i += 2) {
    if (!strcmp(words[i], "--port")) port = atoi(words[i + 1]);
    else if (!strcmp(words[i], "--pid")) pid = atoi(words[i + 1]);
    else if (!strcmp(words[i], "--conns")) conns = atoi(words[i + 1]);
    else if (!strcmp(words[i], "--seconds")) seconds = atof(words[i + 1]);
    else if (!strcmp(words[i], "--warm")) warm = atof(words[i + 1]);
    else if (!strcmp(words[i], "--conversations")) conversations = atol(words[i + 1]);
    else if (!strcmp(words[i], "--request")) path = words[i + 1];
    else { fprintf(stderr, "requests: unknown option %s\n", words[i]); return 2; }
  }
  FILE *file = path ? fopen(path, "rb") : NULL;
  if (!port || !file) { fprintf(stderr, "requests: expected --port and --request\n"); return 2; }
  request_length = fread(request, 1, sizeof request, file);
  fclose(file);
  mark = strstr(request, "RRRRRRRRRRRR");
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(port)};
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Connection *all = calloc(conns, sizeof *all);
  int poller = epoll_create1(0);
  for (int i = 0; i < conns; i++) {
    all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(all[i].fd, (void *)&target, sizeof target)) { perror("requests: connect"); return 1; }
    setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event);
    ask(&all[i]);
  }
  uint64_t at = read_clock(CLOCK_MONOTONIC), from = at + warm * 1e9, to = from + seconds * 1e9, cpu = 0, waiting = 0;
  while ((at = read_clock(CLOCK_MONOTONIC)) < to) {
    struct epoll_event ready[256];
    if (!measuring && at >= from) { measuring = 1; cpu = cpu_of(pid); waiting = waited(pid); from = at; }
    int many = epoll_wait(poller, ready, 256, 10);
    at = read_clock(CLOCK_MONOTONIC);
    for (int i = 0; i < many; i++) take(ready[i].data.ptr, at);
  }
  double took = (at - from) / 1e9;
  cpu = cpu_of(pid) - cpu, waiting = waited(pid) - waiting;
  printf("{\"conns\":%d,\"requests_per_s\":%.0f,\"cpu_us_per_request\":%.2f,\"requests_per_cpu_s\":%.0f,"
    "\"server_load\":%.3f,\"server_waited\":%.3f,\"p50_us\":%ld,"
    "\"p99_us\":%ld,\"failed\":%lu}\n", conns, answered / took, cpu / 1e3 / (answered ? answered : 1),
    cpu ? answered / (cpu / 1e9) : 0, cpu / 1e9 / took, waiting / 1e9 / took, percentile(.5), percentile(.99), failed);
  return 0;
}
