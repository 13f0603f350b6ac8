// RFC 7523 §3 (jti of client assertions), RFC 9449 §11.1 (DPoP): a value is accepted once.
namespace Identity.OAuth.Storage;

/// <summary>Remembers what was seen, over all nodes.</summary>
public interface IReplayCache
{
    /// <summary>True for exactly one caller per (kind, value) until it is forgotten at <paramref name="until"/>.</summary>
    Task<bool> TryAddAsync(string kind, string value, DateTimeOffset until, CancellationToken cancellationToken);
}
