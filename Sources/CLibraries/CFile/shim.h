#pragma once
// Parts of the Linux C library that Swift's Glibc module leaves out.
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/// copy_file_range(2) from where `source` stands to where `destination` stands.
static inline long cfile_copy_range(int source, int destination, size_t count) {
    return syscall(SYS_copy_file_range, source, NULL, destination, NULL, count, 0u);
}
