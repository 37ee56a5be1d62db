import Glibc

/// A moment of wall-clock time, to the nanosecond. Deadlines and durations use `ContinuousClock` instead.
package struct Timestamp: Sendable, Hashable, Comparable {
    /// Seconds since 1970-01-01T00:00:00Z.
    package var seconds: Int64
    package var nanoseconds: Int32

    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    package var milliseconds: Int64 { seconds * 1000 + Int64(nanoseconds) / 1_000_000 }

    /// Year, month (1...12), day, hour, minute and second in UTC.
    package var utc: (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        return (
            Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min),
            Int(parts.tm_sec)
        )
    }

    /// `2026-01-31T12:00:00.000Z`.
    package var iso8601: String {
        let parts = utc
        let date = "\(padded(parts.year, 4))-\(padded(parts.month, 2))-\(padded(parts.day, 2))"
        let time = "\(padded(parts.hour, 2)):\(padded(parts.minute, 2)):\(padded(parts.second, 2))"
        return "\(date)T\(time).\(padded(Int(nanoseconds) / 1_000_000, 3))Z"
    }

    /// `20260131T120000Z`, as S3 signatures want it.
    package var iso8601Basic: String {
        let parts = utc
        return "\(padded(parts.year, 4))\(padded(parts.month, 2))\(padded(parts.day, 2))"
            + "T\(padded(parts.hour, 2))\(padded(parts.minute, 2))\(padded(parts.second, 2))Z"
    }
}

/// `number` in decimal with leading zeros up to `width` digits.
package func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
