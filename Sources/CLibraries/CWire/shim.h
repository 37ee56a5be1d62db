#pragma once
// What the wire needs of Linux and Swift's Glibc module leaves out.
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/// Moves up to `length` bytes between two descriptors, one of them a pipe, without waiting; -1 with errno.
///
/// `more` says that bytes will follow at once.
static inline long cwire_splice(int from, int to, size_t length, int more) {
    unsigned int flags = 1 /* SPLICE_F_MOVE */ | 2 /* SPLICE_F_NONBLOCK */ | (more ? 4 /* SPLICE_F_MORE */ : 0);
    return syscall(SYS_splice, from, (void *)0, to, (void *)0, length, flags);
}

/// Shows up to `length` bytes at the front of a pipe to an empty one as well, without copying or waiting; -1 with errno.
static inline long cwire_tee(int from, int to, size_t length) {
    return syscall(SYS_tee, from, to, length, 2 /* SPLICE_F_NONBLOCK */);
}

/// A pipe that does not block and is not inherited: its reading and its writing end. 0, or -1 with errno.
static inline int cwire_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK); }

/// Makes a pipe hold `size` bytes; what it holds then, or -1 with errno.
static inline int cwire_set_pipe_size(int pipe, int size) {
    return (int)syscall(SYS_fcntl, pipe, 1031 /* F_SETPIPE_SZ */, size);
}

/// Sends two pieces in one call, without waiting and without a signal.
static inline ssize_t cwire_send(int socket, const void *first, size_t first_length, const void *second,
                                 size_t second_length, int more) {
    struct iovec pieces[2] = {{(void *)first, first_length}, {(void *)second, second_length}};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = pieces;
    message.msg_iovlen = second_length ? 2 : 1;
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
}

/// Bytes written to a socket that its peer has not acknowledged yet; -1 when that cannot be told.
static inline int cwire_unacknowledged_bytes(int socket) {
    int count = 0;
    return ioctl(socket, SIOCOUTQ, &count) == 0 ? count : -1;
}
