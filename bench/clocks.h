// Clocks of this and other processes, and what /proc says of them. Included by every client of the benchmark.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t read_clock(clockid_t id) {
  struct timespec t;
  return clock_gettime(id, &t) ? 0 : t.tv_sec * 1000000000ull + t.tv_nsec;
}
static inline uint64_t now(void) { return read_clock(CLOCK_MONOTONIC); }

static inline uint64_t cpu_of(int pid) {
  clockid_t id;
  return pid && !clock_getcpuclockid(pid, &id) ? read_clock(id) : 0;
}

// Time the process was ready to run while something else had its core: what a disturbed measurement shows.
static inline uint64_t waited(int pid) {
  char path[64];
  unsigned long long ran, wait = 0;
  snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
  FILE *file = fopen(path, "r");
  if (file && fscanf(file, "%llu %llu", &ran, &wait) != 2) wait = 0;
  if (file) fclose(file);
  return wait;
}

static inline long memory_kb(int pid) {
  char path[64], line[256];
  long value = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, "VmRSS:", 6)) value = atol(line + 6);
  if (file) fclose(file);
  return value;
}
