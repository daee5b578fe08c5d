/* The reference of `nearhop bench fib`: DIR-24-8 (Gupta, Lin, McKeown, INFOCOM 1998) with 16-bit entries, as plain C.
 *
 * fib FILE: reads tables and addresses, builds each table, looks up the addresses of its cases into a column of answers, and
 * prints one line a case: millions of lookups a second, and a hash of all answers (FNV-1a by answers of 16 bits), by which the
 * caller sees that they are right. FILE holds u32 words:
 *   tables, then of each table: routes, routes x (prefix, length, next hop) by growing length, cases, cases x (count, addresses) */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PASSES 8
#define GROUP 0x8000

static uint16_t first[1 << 24];
static uint16_t (*second)[256];
static uint32_t groups;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Longer prefixes come later, so what they paint stays. */
static int add(uint32_t prefix, uint32_t len, uint16_t next_hop) {
  if (len <= 24) {
    uint32_t n = 1u << (24 - len);
    for (uint32_t i = prefix >> 8; n > 0; i++, n--) first[i] = next_hop;
    return 1;
  }
  uint16_t *entry = &first[prefix >> 8];
  if (*entry < GROUP) {
    if (groups == GROUP) return 0;
    for (int i = 0; i < 256; i++) second[groups][i] = *entry;
    *entry = GROUP | groups++;
  }
  uint16_t *group = second[*entry & (GROUP - 1)];
  uint32_t n = 1u << (32 - len);
  for (uint32_t i = prefix & 255; n > 0; i++, n--) group[i] = next_hop;
  return 1;
}

static inline uint16_t lookup(uint32_t address) {
  uint16_t entry = first[address >> 8];
  return entry < GROUP ? entry : second[entry & (GROUP - 1)][address & 255];
}

int main(int argc, char **argv) {
  FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (f == NULL) return fprintf(stderr, "usage: fib FILE\n"), 2;
  fseek(f, 0, SEEK_END);
  long bytes = ftell(f);
  rewind(f);
  uint32_t *file = malloc(bytes), *p = file;
  second = malloc(GROUP * sizeof *second);
  if (file == NULL || second == NULL || fread(file, 1, bytes, f) != (size_t)bytes) return 1;
  for (uint32_t tables = *p++; tables > 0; tables--) {
    memset(first, 0, sizeof first);
    groups = 0;
    for (uint32_t routes = *p++; routes > 0; routes--, p += 3)
      if (!add(p[0], p[1], p[2])) return fprintf(stderr, "too many /24s with longer routes\n"), 1;
    for (uint32_t cases = *p++; cases > 0; cases--) {
      uint32_t count = *p++;
      uint16_t *answer = malloc(count * sizeof *answer);
      if (answer == NULL) return 1;
      memset(answer, 0xff, count * sizeof *answer); /* its pages are there before the clock runs */
      double started = now();
      for (int pass = 0; pass < PASSES; pass++) {
        for (uint32_t i = 0; i < count; i++) answer[i] = lookup(p[i]);
        __asm__ volatile("" ::"r"(answer) : "memory"); /* somebody may read the answers of each pass, so each is done */
      }
      double seconds = now() - started;
      uint32_t hash = 2166136261u;
      for (uint32_t i = 0; i < count; i++) hash = (hash ^ answer[i]) * 16777619u;
      printf("%.3f %u\n", count * (double)PASSES / seconds / 1e6, hash);
      free(answer);
      p += count;
    }
  }
  return 0;
}
