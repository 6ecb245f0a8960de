import Foundation

/// Event time: nanoseconds since the Unix epoch, as the C ABI counts it.
///
/// A classifier has no clock of its own. Live callers pass `EventTime.now`; who replays a log passes the log's times and
/// gets the same bits.
public enum EventTime {
  /// The system's wall clock.
  public static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Event time of a date; of dates before 1970 it is negative, which a classifier refuses.
  public static func of(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1e9).rounded()) }
}

/// Seconds as nanoseconds for the C ABI, kept in its range.
func nanoseconds(_ seconds: TimeInterval) -> Int64 {
  seconds.isFinite ? Int64(max(-9e9, min(9e9, seconds)) * 1e9) : -1
}
