import CHeap

/// Many threads allocate what others free: with an arena of the heap for each of them, most of what is resident would be holes.
/// Two are enough, since nothing that is done for every byte allocates. Call it before there are other threads.
package func limitHeapArenas() { _ = mallopt(M_ARENA_MAX, 2) }
