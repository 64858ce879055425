// Load client of the benchmark: Socket.IO sockets, Redis publisher and CPU sampler in one thread on one epoll.
//
// It opens --conns websockets (sockets.h), waits until each has its CONNECT answer, then publishes events from a RESP
// template (--template, bench/wire.py) to --rooms conversations in turn. Closed loop: at most --window deliveries under
// way; open loop: --rate events/s, each at its own time. Each event carries its index and a CLOCK_MONOTONIC stamp taken
// when it is published; latency runs from there to the read that brought it. With --connect-only nothing is published,
// and for --hold seconds memory and CPU of the idle server are read every --sample seconds. Prints one JSON object.
//
// In a template `r@@@@@@@` becomes the conversation, `1777777777` (also as 32 bits) the index, nineteen `T` the stamp.
#define _GNU_SOURCE
#include "sockets.h"

#define PATCHES_MAX 16
#define SAMPLES_MAX 128
#define DRAIN_LIMIT_S 3
#define PACE_NS 50000 // events of the open loop that are due this close together are published together

static struct {
  int redis_port, pid, redis_pid, rooms, window, connect_only;
  double rate, seconds, warm_s, hold_s, sample_s;
  const char *template;
} option = {.window = 2000, .seconds = 2, .warm_s = 1};

static uint64_t frames;
static Latencies latency, lateness; // lateness: of publish calls, behind the open loop's timetable

static int redis = -1;
static uint8_t *out;
static size_t out_length, out_sent, out_capacity;
static uint8_t template[65536];
static size_t template_length;
static struct { char kind; size_t at; } patches[PATCHES_MAX];
static int patch_count;
static uint32_t *sequence, next_room;
static uint64_t published;

static void take_event(Socket *s, uint8_t *text, size_t size, uint64_t at) {
  uint8_t *index = memmem(text, size, "\"index\":", 8);
  uint8_t *stamp = memmem(text, size, "\"text\":\"@", 9);
  if (!index) return;
  frames++;
  uint32_t number = strtoul((char *)index + 8, NULL, 10);
  take_range(s, number, number);
  if (measuring && stamp) note(&latency, (at - strtoull((char *)stamp + 9, NULL, 10)) / 1000);
}

static void take_other(Socket *s, uint8_t *text, size_t size) { (void)s, (void)text, (void)size; }

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

static void publish(void) {
  uint64_t at = now();
  if (out_length + template_length > out_capacity) {
    memmove(out, out + out_sent, out_length -= out_sent);
    out_sent = 0;
    out_capacity = out_length + template_length > out_capacity ? out_capacity * 2 + template_length : out_capacity;
    out = realloc(out, out_capacity);
  }
  uint8_t *command = out + out_length;
  memcpy(command, template, template_length);
  next_room = (next_room + 1) % option.rooms;
  uint32_t index = sockets_option.first + ++sequence[next_room];
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

// Publish what the timetable asks for by now; the time until the next event is due.
static uint64_t publish_due(uint64_t began) {
  double each = 1e9 / option.rate;
  uint64_t at = now(), due;
  while ((due = began + (uint64_t)(published * each)) <= at && out_length - out_sent < 1 << 22) {
    if (measuring) note(&lateness, (at - due) / 1000);
    publish();
  }
  at = now();
  return due <= at ? 0 : due - at < PACE_NS ? PACE_NS : due - at < MS ? due - at : MS;
}

// -- the two measurements --------------------------------------------------------------------------------------------

// Memory and CPU of the idle server, every --sample seconds for --hold seconds, as the members of a JSON array.
static void hold(char *samples, size_t room) {
  uint64_t began = now(), step = (uint64_t)((option.sample_s > 0 ? option.sample_s : option.hold_s) * 1e9);
  uint64_t until = began + (uint64_t)(option.hold_s * 1e9), cpu = cpu_of(option.pid);
  size_t written = 0;
  for (uint64_t next = began + step; step && next <= until && written < room - 96; next += step) {
    while (now() < next) wait_once(50 * MS);
    written += snprintf(samples + written, 96, "%s{\"at_s\":%.1f,\"rss_kb\":%ld,\"cpu_ms\":%.1f}", written ? "," : "",
      (now() - began) / 1e9, memory_kb(option.pid), (cpu_of(option.pid) - cpu) / 1e6);
  }
}

static void measure_connecting(void) {
  char samples[SAMPLES_MAX * 96] = "";
  long memory = memory_kb(option.pid);
  uint64_t began = now(), cpu = cpu_of(option.pid), waiting = waited(option.pid);
  connect_all();
  uint64_t took = now() - began;
  waiting = waited(option.pid) - waiting;
  cpu = cpu_of(option.pid) - cpu;
  uint64_t idle = cpu_of(option.pid);
  hold(samples, sizeof samples);
  idle = cpu_of(option.pid) - idle;
  double conns = sockets_option.conns;
  printf("{\"conns\":%.0f,\"connects_per_s\":%.1f,\"cpu_us_per_connect\":%.2f,\"server_load\":%.3f,"
    "\"server_waited\":%.3f,\"kb_per_conn\":%.2f,\"rss_kb\":%ld,\"idle_us_per_conn_s\":%.2f,\"lost_sockets\":%d,"
    "\"memory_before_kb\":%ld,\"samples\":[%s]}\n",
    conns, conns / (took / 1e9), cpu / 1e3 / conns, cpu / (double)took, waiting / (double)took,
    (memory_kb(option.pid) - memory) / conns, memory_kb(option.pid),
    option.hold_s > 0 ? idle / 1e3 / conns / option.hold_s : 0, dead, memory, samples);
}

static void measure_delivery(void) {
  uint64_t connect_cpu = cpu_of(option.pid);
  connect_all();
  connect_cpu = cpu_of(option.pid) - connect_cpu;
  load_template();
  open_redis();
  for (uint64_t until = now() + 300000000ull; now() < until;) wait_once(20 * MS);
  double fan = sockets_option.conns / (double)option.rooms;
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
    uint64_t pause = MS;
    if (option.rate > 0) pause = publish_due(began);
    else while (published * fan - progressed < option.window) publish();
    flush_redis();
    wait_once(pause);
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
    wait_once(5 * MS);
  }
  for (uint64_t until = now() + 100000000ull; now() < until;) wait_once(20 * MS); // what comes twice comes late
  printf("{\"conns\":%d,\"rooms\":%d,\"deliveries_per_s\":%.0f,\"published_per_s\":%.0f,\"cpu_us_per_event\":%.3f,"
    "\"server_load\":%.3f,\"server_waited\":%.3f,\"redis_load\":%.3f,\"client_load\":%.3f,"
    "\"frames_per_read\":%.2f,\"bytes_per_event\":%.1f,"
    "\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%lu,\"late_p99_us\":%.0f,\"cpu_us_per_connect\":%.1f,\"rss_kb\":%ld,"
    "\"lost\":%ld,\"duplicates\":%lu,\"reordered\":%lu}\n",
    sockets_option.conns, option.rooms, events / seconds, sent / seconds, cpu / 1e3 / each, cpu / 1e9 / seconds,
    waiting / 1e9 / seconds, redis_cpu / 1e9 / seconds, own_cpu / 1e9 / seconds,
    frames0 / (double)(reads ? reads : 1), bytes_in / each,
    percentile(&latency, .5), percentile(&latency, .9), percentile(&latency, .99), latency.max,
    percentile(&lateness, .99), connect_cpu / 1e3 / sockets_option.conns,
    memory_kb(option.pid), (long)(published * fan) - (long)progressed + (long)gaps, duplicates, reordered);
}

int main(int count, char **words) {
  const Option own[] = {
    {"redis-port", .whole = &option.redis_port}, {"pid", .whole = &option.pid}, {"rooms", .whole = &option.rooms},
    {"redis-pid", .whole = &option.redis_pid}, {"window", .whole = &option.window}, {"rate", .real = &option.rate},
    {"connect-only", .whole = &option.connect_only}, {"seconds", .real = &option.seconds},
    {"warm", .real = &option.warm_s}, {"hold", .real = &option.hold_s}, {"sample", .real = &option.sample_s},
    {"template", .text = &option.template}};
  read_options(count, words, own, sizeof own / sizeof *own);
  if (!option.rooms) option.rooms = sockets_option.conns;
  if (!option.connect_only && (!option.template || !option.redis_port)) {
    fprintf(stderr, "load: expected --redis-port and --template, or --connect-only\n");
    return 2;
  }
  sequence = calloc(option.rooms, sizeof *sequence);
  prepare();
  if (option.connect_only) measure_connecting(); else measure_delivery();
  return 0;
}
