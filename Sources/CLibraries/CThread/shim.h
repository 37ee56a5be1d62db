#pragma once
// What threads need of Linux and Swift's Glibc module leaves out.
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sched.h>
#include <unistd.h>

/// Names the calling thread, for `top` and debuggers; 15 bytes at most.
static inline void cthread_name(const char *name) { prctl(PR_SET_NAME, name); }

/// Lets the calling thread wait for its turn when it wakes up, where the scheduler would let it displace another one at
/// once (sched(7): SCHED_BATCH). A policy that somebody has chosen stays. Threads that it starts inherit it.
static inline void cthread_wait_for_turns(void) {
    struct sched_param none;
    memset(&none, 0, sizeof none);
    if (syscall(SYS_sched_getscheduler, 0) == 0 /* SCHED_OTHER */)
        syscall(SYS_sched_setscheduler, 0, 3 /* SCHED_BATCH */, &none);
}
