/* The reference of `nearhop bench forward`: a router's loop over frames in memory, as plain C.
 *
 * forward hot|cold: prints millions of packets a second. The frames, their order and the routes are those of src/bench/forward.ts:
 * check Ethernet and IPv4 with its checksum, look one of 1000 host routes up in DIR-24-8, TTL - 1, update the checksum
 * (RFC 1624), rewrite both MACs, count packets and bytes. Every frame is checked afterwards. */
#define _POSIX_C_SOURCE 199309L
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FRAME 60
#define STRIDE 192
#define FLOWS 1000
#define TTL 255
#define PACKETS (1u << 20)
#define ROUTES 0xc6130001u /* 198.19.0.1 and on */
#define SENDER_IP 0xc6120002u
#define GROUP 0x8000

static const uint8_t left[6] = {2, 0, 0xc6, 0x12, 1, 1}, right[6] = {2, 0, 0xc6, 0x12, 2, 1};
static const uint8_t sender[6] = {2, 0, 0xc6, 0x12, 1, 2};
static uint16_t first[1 << 24];
static uint16_t second[64][256];
static struct { uint8_t dst[6], src[6]; } rewrite[2]; /* by next hop */
static uint64_t packets, bytes, dropped;

static uint32_t header_sum(const uint8_t *ip) {
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) {
    uint16_t word;
    memcpy(&word, ip + i, 2);
    sum += word;
  }
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

static void write_frame(uint8_t *f, uint32_t flow) {
  memset(f, 0, FRAME);
  memcpy(f, left, 6);
  memcpy(f + 6, sender, 6);
  f[12] = 8;
  uint8_t *ip = f + 14;
  ip[0] = 0x45;
  ip[3] = FRAME - 14;
  ip[8] = TTL;
  ip[9] = 17;
  uint32_t src = htonl(SENDER_IP), dst = htonl(ROUTES + flow);
  memcpy(ip + 12, &src, 4);
  memcpy(ip + 16, &dst, 4);
  uint16_t sum = ~header_sum(ip);
  memcpy(ip + 10, &sum, 2);
}

static inline void forward(uint8_t *f, uint32_t len) {
  uint8_t *ip = f + 14;
  uint16_t total;
  memcpy(&total, ip + 2, 2);
  total = ntohs(total);
  if (len < 34 || f[12] != 8 || f[13] != 0 || memcmp(f, left, 6) != 0 || ip[0] != 0x45 || total < 20 || total > len - 14 ||
      header_sum(ip) != 0xffff || ip[8] <= 1) {
    dropped++;
    return;
  }
  uint32_t dst;
  memcpy(&dst, ip + 16, 4);
  dst = ntohl(dst);
  uint16_t hop = first[dst >> 8];
  if (hop >= GROUP) hop = second[hop - GROUP][dst & 255];
  if (hop == 0) {
    dropped++;
    return;
  }
  ip[8]--;
  uint16_t sum;
  memcpy(&sum, ip + 10, 2);
  uint32_t next = (uint32_t)ntohs(sum) + 0x100;
  sum = htons((next & 0xffff) + (next >> 16));
  memcpy(ip + 10, &sum, 2);
  memcpy(f, &rewrite[hop], 12);
  packets++;
  bytes += len;
}

int main(int argc, char **argv) {
  if (argc != 2 || (strcmp(argv[1], "hot") != 0 && strcmp(argv[1], "cold") != 0))
    return fprintf(stderr, "usage: forward hot|cold\n"), 2;
  int hot = argv[1][0] == 'h';
  uint32_t count = hot ? 256 : 1 << 20, passes = hot ? 200 : 1;
  uint32_t groups = 0;
  for (uint32_t i = 0; i < FLOWS; i++) {
    uint16_t *entry = &first[(ROUTES + i) >> 8];
    if (*entry < GROUP) *entry = GROUP + groups++;
    second[*entry - GROUP][(ROUTES + i) & 255] = 1;
  }
  memcpy(rewrite[1].dst, left, 6); /* so that a forwarded frame can come in once more as it is */
  memcpy(rewrite[1].src, right, 6);
  uint8_t *memory = malloc((size_t)count * STRIDE);
  uint8_t **order = malloc(count * sizeof *order);
  if (memory == NULL || order == NULL) return 1;
  for (uint32_t i = 0; i < count; i++) order[i] = memory + (size_t)i * STRIDE;
  uint32_t state = 1;
  for (uint32_t i = count - 1; !hot && i > 0; i--) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5; /* xorshift32, Marsaglia 2003 */
    uint32_t j = state % (i + 1);
    uint8_t *f = order[i];
    order[i] = order[j];
    order[j] = f;
  }
  double seconds = 0;
  uint64_t done = 0;
  while (done < PACKETS) {
    for (uint32_t i = 0; i < count; i++) write_frame(order[i], i % FLOWS);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (uint32_t p = 0; p < passes; p++)
      for (uint32_t i = 0; i < count; i++) forward(order[i], FRAME);
    clock_gettime(CLOCK_MONOTONIC, &b);
    seconds += (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9;
    done += (uint64_t)count * passes;
    for (uint32_t i = 0; i < count; i++) {
      uint8_t *f = order[i];
      if (header_sum(f + 14) != 0xffff || f[22] != TTL - passes || memcmp(f + 6, right, 6) != 0)
        return fprintf(stderr, "frame %u is wrong\n", i), 1;
    }
  }
  if (packets != done || bytes != done * FRAME || dropped != 0) return fprintf(stderr, "packets are missing\n"), 1;
  printf("%.3f\n", done / seconds / 1e6);
  return 0;
}
