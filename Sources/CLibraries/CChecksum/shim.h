#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

// MARK: CRC-32C (Castagnoli, reflected polynomial 0x82f63b78); `crc` is the inner value, without its first and last inversion.

/// Bit by bit: for processors without an instruction, and for testing the others.
static inline uint32_t cchecksum_crc32c_slow(uint32_t crc, const uint8_t *bytes, size_t length) {
    while (length--) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return crc;
}

#if defined(__x86_64__)
static inline int cchecksum_has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }
#define CCHECKSUM_CRC_TARGET __attribute__((target("sse4.2")))
#define CCHECKSUM_CRC64(crc, value) ((uint32_t)__builtin_ia32_crc32di((crc), (value)))
#define CCHECKSUM_CRC8(crc, value) __builtin_ia32_crc32qi((crc), (value))
#elif defined(__aarch64__)
static inline int cchecksum_has_crc32c(void) { return (getauxval(AT_HWCAP) & (1 << 7)) != 0; }
#define CCHECKSUM_CRC_TARGET __attribute__((target("crc")))
#define CCHECKSUM_CRC64(crc, value) __builtin_arm_crc32cd((crc), (value))
#define CCHECKSUM_CRC8(crc, value) __builtin_arm_crc32cb((crc), (value))
#else
static inline int cchecksum_has_crc32c(void) { return 0; }
#endif

#ifdef CCHECKSUM_CRC_TARGET
static inline uint64_t cchecksum_load64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return value;
}

/// By the processor's instruction.
CCHECKSUM_CRC_TARGET static inline uint32_t cchecksum_crc32c_one(uint32_t crc, const uint8_t *bytes, size_t length) {
    for (; length >= 8; bytes += 8, length -= 8) crc = CCHECKSUM_CRC64(crc, cchecksum_load64(bytes));
    while (length--) crc = CCHECKSUM_CRC8(crc, *bytes++);
    return crc;
}

/// Three runs of `lane` bytes (a multiple of 8) at once: the instruction takes three cycles, and one can begin in each.
CCHECKSUM_CRC_TARGET static inline void cchecksum_crc32c_three(uint32_t crc[3], const uint8_t *bytes, size_t lane) {
    uint32_t a = crc[0], b = crc[1], c = crc[2];
    for (size_t index = 0; index < lane; index += 8) {
        a = CCHECKSUM_CRC64(a, cchecksum_load64(bytes + index));
        b = CCHECKSUM_CRC64(b, cchecksum_load64(bytes + lane + index));
        c = CCHECKSUM_CRC64(c, cchecksum_load64(bytes + 2 * lane + index));
    }
    crc[0] = a, crc[1] = b, crc[2] = c;
}
#else
static inline uint32_t cchecksum_crc32c_one(uint32_t crc, const uint8_t *bytes, size_t length) {
    return cchecksum_crc32c_slow(crc, bytes, length);
}
static inline void cchecksum_crc32c_three(uint32_t crc[3], const uint8_t *bytes, size_t lane) {
    for (int index = 0; index < 3; index++) crc[index] = cchecksum_crc32c_slow(crc[index], bytes + index * lane, lane);
}
#endif
