// Browser-like clients of the whole path: each asks, reads the answer word for word, and asks again when it has ended.
//
// --conns sockets (sockets.h) connect, then begin one after another within --spread seconds. Each sends the command
// `message` with --message as text; when the run has finished it sends the next. Latency runs from an event's `ts`, which
// the worker sets when the model has said the word (milliseconds, cut off: half of one too much on average), to the read
// that brought it. A delta that holds several words was merged on the way: `words` counts them. CPU is that of the
// server (--pid), the worker (--worker-pid) and Redis (--redis-pid). Prints one JSON object.
#define _GNU_SOURCE
#include "sockets.h"
#include <sys/random.h>

#define DAY_US 86400000000ll

static struct {
  int pid, worker_pid, redis_pid;
  double seconds, warm_s, spread_s;
  const char *message;
} option = {.seconds = 2, .warm_s = 1, .spread_s = 1};

static uint64_t events, deltas, words, asked, ended, failed;
static Latencies latency;

static void ask(Socket *s) {
  static int number;
  char command[3000];
  uint8_t r[16];
  if (getrandom(r, sizeof r, 0) != sizeof r) fail("random");
  int size = snprintf(command, sizeof command,
    "42%d[\"message\",{\"requestId\":\"%02x%02x%02x%02x-%02x%02x-4%01x%02x-8%01x%02x-%02x%02x%02x%02x%02x%02x\",\"text\":\"%s\"}]",
    ++number, r[0], r[1], r[2], r[3], r[4], r[5], r[6] & 15, r[7], r[8] & 15, r[9], r[10], r[11], r[12], r[13], r[14],
    r[15], option.message);
  asked++;
  send_text(s, command, size);
}

// Microseconds since the `ts` of an event; both are times of day, so midnight does not matter.
static int64_t age_us(const char *ts) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  int64_t day_us = (t.tv_sec % 86400) * 1000000ll + t.tv_nsec / 1000;
  int64_t said_us = (atoi(ts + 11) * 3600ll + atoi(ts + 14) * 60 + atoi(ts + 17)) * 1000000 + atoi(ts + 20) * 1000ll;
  return (day_us - said_us + DAY_US) % DAY_US;
}

// Words of a JSON string, up to its closing quote.
static int words_of(const char *p) {
  int count = 0, inside = 0;
  for (; *p && *p != '"'; p++) {
    int space = *p == ' ';
    if (*p == '\\') space = *++p == 'n';
    if (!space && !inside) count++;
    inside = !space;
  }
  return count;
}

static void take_event(Socket *s, uint8_t *raw, size_t size, uint64_t at) {
  (void)at;
  char *index = memmem(raw, size, "\"index\":", 8), *from = memmem(raw, size, "\"from\":", 7);
  char *ts = memmem(raw, size, "\"ts\":\"", 6), *type = memmem(raw, size, "\"type\":\"", 8);
  char *text = memmem(raw, size, "\"text\":\"", 8);
  if (!index || !ts || !type) { lose(s, "an event without index, ts or type"); return; }
  uint32_t last = strtoul(index + 8, NULL, 10);
  take_range(s, from && from < ts ? strtoul(from + 7, NULL, 10) : last, last);
  events++;
  if (!memcmp(type + 8, "message.delta\"", 14) && text) {
    deltas++;
    words += words_of(text + 8);
    if (measuring) note(&latency, age_us(ts + 6));
  } else if (!memcmp(type + 8, "run.finished\"", 13)) {
    ended++;
    ask(s);
  } else if (!memcmp(type + 8, "run.failed\"", 11)) {
    if (!failed++) fprintf(stderr, "talk: %.300s\n", (char *)raw);
  }
}

static void take_other(Socket *s, uint8_t *text, size_t size) {
  (void)s;
  if (memmem(text, size, "\"ok\":false", 10) && !failed++) fprintf(stderr, "talk: %.*s\n", (int)size, text);
}

static uint64_t cpus[3], waits[2];
static void read_cpus(void) {
  int pids[3] = {option.pid, option.worker_pid, option.redis_pid};
  for (int i = 0; i < 3; i++) cpus[i] = cpu_of(pids[i]) - cpus[i];
  for (int i = 0; i < 2; i++) waits[i] = waited(pids[i]) - waits[i];
}

static void measure(void) {
  int begun = 0;
  uint64_t events0 = 0, deltas0 = 0, words0 = 0, ended0 = 0, own = 0, at;
  connect_all();
  uint64_t began = now(), from = began + (uint64_t)(option.warm_s * 1e9), to = from + (uint64_t)(option.seconds * 1e9);
  while ((at = now()) < to) {
    for (; begun < sockets_option.conns && at - began >= option.spread_s * 1e9 * begun / sockets_option.conns; begun++)
      ask(&sockets[begun]);
    if (!measuring && at >= from) {
      measuring = 1;
      events0 = events, deltas0 = deltas, words0 = words, ended0 = ended;
      own = read_clock(CLOCK_PROCESS_CPUTIME_ID);
      read_cpus();
      from = now();
    }
    wait_once(MS);
    if (dead) exit(4);
  }
  double seconds = (now() - from) / 1e9;
  read_cpus();
  own = read_clock(CLOCK_PROCESS_CPUTIME_ID) - own;
  double all = events - events0, each = deltas > deltas0 ? deltas - deltas0 : 1, spoken = words - words0;
  double server = cpus[0] / 1e3, worker = cpus[1] / 1e3, microseconds = seconds * 1e6;
  printf("{\"conns\":%d,\"events_per_s\":%.0f,\"deliveries_per_s\":%.0f,\"words_per_s\":%.0f,\"words_per_delta\":%.3f,"
    "\"runs_per_s\":%.2f,\"cpu_us_per_delta\":%.2f,\"server_us_per_delta\":%.2f,\"worker_us_per_delta\":%.2f,"
    "\"redis_us_per_delta\":%.2f,\"cpu_us_per_word\":%.2f,\"server_load\":%.3f,\"worker_load\":%.3f,\"redis_load\":%.3f,"
    "\"client_load\":%.3f,\"server_waited\":%.3f,\"worker_waited\":%.3f,\"p50_us\":%.0f,\"p90_us\":%.0f,\"p99_us\":%.0f,"
    "\"p99_ms\":%.2f,\"max_us\":%lu,\"lost\":%lu,\"duplicates\":%lu,\"reordered\":%lu,\"failed\":%lu}\n",
    sockets_option.conns, all / seconds, each / seconds, spoken / seconds, spoken / each, (ended - ended0) / seconds,
    (server + worker) / each, server / each, worker / each, cpus[2] / 1e3 / each,
    (server + worker) / (spoken ? spoken : 1), server / microseconds, worker / microseconds,
    cpus[2] / 1e3 / microseconds, own / 1e3 / microseconds, waits[0] / 1e3 / microseconds, waits[1] / 1e3 / microseconds,
    percentile(&latency, .5), percentile(&latency, .9), percentile(&latency, .99), percentile(&latency, .99) / 1e3,
    latency.max, gaps, duplicates, reordered, failed + !words);
}

int main(int count, char **words) {
  const Option own[] = {
    {"pid", .whole = &option.pid}, {"worker-pid", .whole = &option.worker_pid}, {"message", .text = &option.message},
    {"redis-pid", .whole = &option.redis_pid}, {"seconds", .real = &option.seconds}, {"warm", .real = &option.warm_s},
    {"spread", .real = &option.spread_s}};
  sockets_option.first = 0;
  read_options(count, words, own, sizeof own / sizeof *own);
  if (!option.message || strlen(option.message) > 2000) {
    fprintf(stderr, "talk: expected --message of at most 2,000 bytes\n");
    return 2;
  }
  prepare();
  measure();
  return 0;
}
