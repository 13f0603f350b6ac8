using Microsoft.EntityFrameworkCore.Storage.ValueConversion;

namespace Identity.Accounts.Data.Tables;

/// <summary>SQLite has no time type: microseconds since 1970 (UTC) sort, compare and index as integers.</summary>
public sealed class UnixMicrosecondsConverter() : ValueConverter<DateTimeOffset, long>(
    time => Of(time),
    value => DateTimeOffset.UnixEpoch.AddTicks(value * TimeSpan.TicksPerMicrosecond))
{
    public static long Of(DateTimeOffset time) => Math.DivRem(time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks, TimeSpan.TicksPerMicrosecond).Quotient;
}

/// <summary>What every provider can hold exactly: UTC, to the microsecond. A driver that rounded up would let time run ahead.</summary>
public sealed class UtcMicrosecondsConverter() : ValueConverter<DateTimeOffset, DateTimeOffset>(
    time => Of(time),
    value => value.ToUniversalTime())
{
    public static DateTimeOffset Of(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);
}

/// <summary>
/// UUIDv7 as 16 bytes in network order, which sort by time. (SQL Server compares uniqueidentifier from its last bytes on, so
/// there a time-ordered id would be inserted at random places.)
/// </summary>
public sealed class GuidBytesConverter() : ValueConverter<Guid, byte[]>(
    id => Of(id),
    bytes => new Guid(bytes, bigEndian: true))
{
    public static byte[] Of(Guid id) => id.ToByteArray(bigEndian: true);
}
