/* The references of `nearhop bench forward`: a router's loop over frames in memory, as plain C.
 *
 * forward bare|same hot|cold: prints millions of packets a second. The frames, their order and the routes are those of
 * src/bench/forward.ts, and every frame is checked afterwards.
 *
 *   bare  one frame after the other: check Ethernet and IPv4 with its checksum, look one of 1000 host routes up in DIR-24-8,
 *         TTL - 1, update the checksum (RFC 1624), rewrite both MACs, count packets and bytes.
 *   same  what the data plane does with the common packet, step by step (src/dataplane/ip4-fast-path.ts): batches of 256 as
 *         columns, all lookups first, in DIR-16-8-8 and over next hop, adjacency and interface tables; then the checks, then the
 *         rewriting; counters of adjacencies and interfaces, a vector of what leaves, the MTU of the port, the port's counters.
 *         Tables are memory and not constants, as nothing here is known before it runs. */
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

#define BATCH 256
#define ETH 14
#define ROUTED 3
#define REWRITE 4
#define OFFLOAD_GSO 4

/* The columns of a batch. */
static int32_t off[BATCH], len[BATCH];
static uint16_t port[BATCH], in_iface[BATCH], out_iface[BATCH];
static uint8_t l3[BATCH], offload[BATCH];
static int32_t next_hop[BATCH], total_len[BATCH];
static uint16_t arrived[BATCH], leaves[BATCH];

/* The tables: DIR-16-8-8, next hops, adjacencies, interfaces. */
static int32_t dir16[1 << 16], groups16[64 * 256], target[1 << 15];
static struct { int32_t kind[1 << 15], iface[1 << 15], resolved[1 << 15], mac_hi[1 << 15]; uint32_t mac_lo[1 << 15];
                double packets[1 << 15], bytes[1 << 15]; } adjacency;
static struct { uint8_t kind[256], up[256]; uint16_t port[256], vlan[256], mac_hi[256]; uint32_t mac_lo[256], ip[256], mask[256], mtu[256];
                double rx_packets[256], rx_bytes[256], tx_packets[256], tx_bytes[256]; } interface;
static uint16_t classify[2 * 4096];
static struct { int32_t mtu; double rx_packets, tx_packets; } ports[2];
static double received, sent;

static inline uint32_t get32(const uint8_t *p) {
  uint32_t word;
  memcpy(&word, p, 4);
  return ntohl(word);
}

static inline void put32(uint8_t *p, uint32_t word) {
  word = htonl(word);
  memcpy(p, &word, 4);
}

static inline int32_t lookup(uint32_t dst) {
  int32_t entry = dir16[dst >> 16];
  if (entry < GROUP) return entry;
  entry = groups16[((entry - GROUP) << 8) | ((dst >> 8) & 255)];
  return entry < GROUP ? entry : groups16[((entry - GROUP) << 8) | (dst & 255)];
}

static inline int is_host(uint32_t address) {
  uint32_t top = address >> 24;
  return top != 0 && top != 127 && top < 224;
}

/* Takes `n` frames from port 0 and carries them; returns how many the other port has taken. */
static uint32_t round_of(const uint8_t *memory, uint8_t *const *order, uint32_t n) {
  uint8_t *restrict slab = (uint8_t *)memory;
  for (uint32_t i = 0; i < n; i++) off[i] = order[i] - slab, len[i] = FRAME, port[i] = 0, l3[i] = ETH, offload[i] = 0;
  ports[0].rx_packets += n;
  received += n;
  for (uint32_t i = 0; i < n; i++) arrived[i] = i;

  uint16_t iface = classify[port[arrived[0]] * 4096];
  if (interface.kind[iface] != ROUTED || !interface.up[iface]) return 0;
  for (uint32_t k = 0; k < n; k++) next_hop[k] = lookup(get32(slab + off[arrived[k]] + ETH + 16));

  uint32_t mac0 = interface.mac_hi[iface] << 16 | interface.mac_lo[iface] >> 16, mac1 = interface.mac_lo[iface] & 0xffff;
  uint32_t ip = interface.ip[iface], mask = interface.mask[iface];
  uint32_t broadcast = mask != 0 && mask < 0xfffffffe ? ip | ~mask : 0;
  uint32_t end = 0;
  for (; end < n; end++) {
    uint32_t i = arrived[end];
    const uint8_t *f = slab + off[i], *h = f + ETH;
    if (len[i] < ETH || (offload[i] & OFFLOAD_GSO)) break;
    uint32_t word1 = get32(f + 4);
    if (f[12] != 8 || f[13] != 0 || get32(f) != mac0 || word1 >> 16 != mac1) break;
    if ((word1 & 0x100) || ((word1 & 0xffff) | get32(f + 8)) == 0 || len[i] < ETH + 20) break;
    int32_t total = h[2] << 8 | h[3];
    if (h[0] != 0x45 || total < 20 || total > len[i] - ETH || header_sum(h) != 0xffff || h[8] <= 1) break;
    uint32_t src = get32(h + 12), dst = get32(h + 16);
    if (src == ip || src == broadcast || dst == broadcast || !is_host(src) || !is_host(dst) || dst >> 16 == 0xa9fe) break;
    total_len[end] = total;
  }

  uint32_t packed = 0, k = 0;
  double in_bytes = 0;
  while (k < end) {
    int32_t nh = next_hop[k], adj = target[nh];
    if (adj < 0) break; /* a group of equal paths */
    uint32_t out = adjacency.iface[adj], run = k;
    if (adjacency.kind[adj] != REWRITE || interface.kind[out] != ROUTED || !adjacency.resolved[adj]) break;
    int32_t mtu = interface.mtu[out];
    uint32_t eth0 = adjacency.mac_hi[adj] << 16 | adjacency.mac_lo[adj] >> 16;
    uint32_t eth1 = adjacency.mac_lo[adj] << 16 | interface.mac_hi[out], eth2 = interface.mac_lo[out];
    int64_t run_bytes = 0, run_in = 0;
    for (; k < end && next_hop[k] == nh && total_len[k] <= mtu; k++) {
      uint32_t i = arrived[k];
      uint8_t *f = slab + off[i], *h = f + ETH;
      run_bytes += total_len[k];
      run_in += len[i];
      put32(f, eth0);
      put32(f + 4, eth1);
      put32(f + 8, eth2);
      uint32_t word = get32(h + 8), sum = (word & 0xffff) + 0x100; /* TTL, protocol, checksum */
      put32(h + 8, ((word - 0x1000000) & 0xffff0000) | ((sum + ((sum + 1) >> 16)) & 0xffff));
      in_iface[i] = iface;
      out_iface[i] = out;
      len[i] = ETH + total_len[k];
      leaves[packed++] = i;
    }
    adjacency.packets[adj] += k - run;
    adjacency.bytes[adj] += run_bytes;
    in_bytes += run_in;
    if (k < end && total_len[k] > mtu) break;
  }
  interface.rx_packets[iface] += packed;
  interface.rx_bytes[iface] += in_bytes;
  if (packed == 0) return 0;

  uint32_t out = out_iface[leaves[0]], p = interface.port[out];
  if (!interface.up[out] || interface.vlan[out] != 0) return 0;
  int64_t bytes = 0;
  for (uint32_t q = 0; q < packed; q++) {
    uint32_t i = leaves[q];
    if (out_iface[i] != out || offload[i] != 0 || len[i] - l3[i] > ports[p].mtu) return 0;
    bytes += len[i];
  }
  ports[p].tx_packets += packed;
  sent += packed;
  interface.tx_packets[out] += packed;
  interface.tx_bytes[out] += bytes;
  return packed;
}

static void set_up_tables(void) {
  static const uint32_t mac[2] = {0xc6120101, 0xc6120201}, ip[2] = {0xc6120001, 0xc6120101};
  for (int i = 0; i < 2; i++) {
    interface.kind[i] = ROUTED, interface.up[i] = 1, interface.port[i] = i, interface.mtu[i] = 1500;
    interface.mac_hi[i] = 0x0200, interface.mac_lo[i] = mac[i], interface.ip[i] = ip[i], interface.mask[i] = 0xffffff00;
    classify[i * 4096] = i;
    ports[i].mtu = 1500;
  }
  adjacency.kind[5] = REWRITE, adjacency.iface[5] = 1, adjacency.resolved[5] = 1;
  adjacency.mac_hi[5] = 0x0200, adjacency.mac_lo[5] = mac[0]; /* so that a forwarded frame can come in once more as it is */
  target[1] = 5;
  int32_t groups = 0;
  for (uint32_t i = 0; i < FLOWS; i++) {
    int32_t *entry = &dir16[(ROUTES + i) >> 16];
    if (*entry < GROUP) *entry = GROUP + groups++;
    entry = &groups16[((*entry - GROUP) << 8) | (((ROUTES + i) >> 8) & 255)];
    if (*entry < GROUP) *entry = GROUP + groups++;
    groups16[((*entry - GROUP) << 8) | ((ROUTES + i) & 255)] = 1;
  }
}

int main(int argc, char **argv) {
  if (argc != 3 || (strcmp(argv[1], "bare") != 0 && strcmp(argv[1], "same") != 0) ||
      (strcmp(argv[2], "hot") != 0 && strcmp(argv[2], "cold") != 0))
    return fprintf(stderr, "usage: forward bare|same hot|cold\n"), 2;
  int bare = argv[1][0] == 'b', hot = argv[2][0] == 'h';
  set_up_tables();
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
    for (uint32_t p = 0; p < passes; p++) {
      if (bare)
        for (uint32_t i = 0; i < count; i++) forward(order[i], FRAME);
      else
        for (uint32_t i = 0; i < count; i += BATCH) packets += round_of(memory, order + i, BATCH), bytes += BATCH * FRAME;
    }
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
