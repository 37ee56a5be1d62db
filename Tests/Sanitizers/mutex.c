// Tells thread sanitizer of Swift's Mutex. Its fast path is compiled into the program, where the sanitizer sees it; the slow
// one, for a lock that is contended, is in a library of the toolchain that is compiled without the sanitizer. Preloaded, these
// functions take the library's place, call it and say what it does.

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

static void *next(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

SWIFT void lock(uint32_t thread, SELF void *handle) __asm__(LOCK);
SWIFT void lock(uint32_t thread, SELF void *handle) {
    typedef SWIFT void Function(uint32_t, SELF void *);
    ((Function *)next(LOCK))(thread, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT void unlock(SELF void *handle) __asm__(UNLOCK);
SWIFT void unlock(SELF void *handle) {
    typedef SWIFT void Function(SELF void *);
    if (__tsan_release) __tsan_release(handle);
    ((Function *)next(UNLOCK))(handle);
}
