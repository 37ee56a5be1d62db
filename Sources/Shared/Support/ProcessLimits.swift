import CHeap
import Glibc

/// Many threads allocate what others free: with an arena of the heap for each of them, most of what is resident would be holes.
/// Two are enough, since nothing that is done for every byte allocates. Call it before there are other threads.
package func limitHeapArenas() { _ = mallopt(M_ARENA_MAX, 2) }

/// Takes as many open files as this process may have: every copy under way needs some, and the usual limit is 1024.
package func raiseOpenFileLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max else {
        return
    }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
