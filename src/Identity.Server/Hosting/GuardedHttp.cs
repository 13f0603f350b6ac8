// RFC 7591 §5 (server-side request forgery by registered URIs), OpenID Connect Core §10.1.1: fetching what clients name.
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Server.Hosting;

/// <summary>Outgoing HTTP for addresses that clients name: guarded by address, never redirected, capped in time and size.</summary>
public sealed class GuardedHttp(ServerSettings settings) : IClientDocuments, IDisposable
{
    private const int MaximumBytes = 64 * 1024;

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseProxy = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(3),
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxResponseHeadersLength = 16,

        // The certificate there says where its issuer's is: that address has passed no guard. Whoever leaves an authority out of the chain is not reached.
        SslOptions = { CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck } },
        ConnectCallback = (context, cancellationToken) => ConnectAsync(settings.Outgoing, context, cancellationToken),
    })
    {
        Timeout = TimeSpan.FromSeconds(5),
        MaxResponseContentBufferSize = MaximumBytes,
    };

    /// <summary>The body of a 200; null for anything else, or where the address may not be reached.</summary>
    public async Task<string?> GetAsync(string address, CancellationToken cancellationToken)
    {
        if (!IsFit(address, out var uri))
        {
            return null;
        }

        try
        {
            using var response = await _client.GetAsync(uri, cancellationToken);

            // RFC 8259 §8.1: JSON is UTF-8, and a JWT ASCII. What charset the answer names means nothing, and may be none that there is.
            return response.StatusCode == HttpStatusCode.OK ? Encoding.UTF8.GetString(await response.Content.ReadAsByteArrayAsync(cancellationToken)).TrimStart('\uFEFF') : null;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>The status of the answer to a form; null: the address may not be reached, or nobody answered within five seconds.</summary>
    public async Task<int?> PostAsync(string address, IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellationToken)
    {
        if (!IsFit(address, out var uri))
        {
            return null;
        }

        try
        {
            using var content = new FormUrlEncodedContent(form);
            using var request = new HttpRequestMessage(HttpMethod.Post, uri) { Content = content };

            // What it says besides is of no use to anybody.
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            return (int)response.StatusCode;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    public void Dispose() => _client.Dispose();

    private static bool IsFit(string address, [NotNullWhen(true)] out Uri? uri) =>
        Uri.TryCreate(address, UriKind.Absolute, out uri) && (uri.Scheme == "https" || (uri.Scheme == "http" && uri.IsLoopback));

    private static async ValueTask<Stream> ConnectAsync(OutgoingRules rules, SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var host = context.DnsEndPoint.Host;
        var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(host, cancellationToken);
        var allowed = addresses.Where(address => rules.MayReach(host, address)).ToArray();
        if (allowed.Length == 0)
        {
            throw new HttpRequestException("This address may not be reached: see OUTGOING_ALLOW.");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/// <summary>Client keys by value or from <c>jwks_uri</c>, cached for ten minutes, asked again for an unknown key at most every ten seconds.</summary>
public sealed class FetchedClientKeys(GuardedHttp http, TimeProvider timeProvider) : IClientKeySource
{
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(10);

    // A client that restarts or moves is back by then. Longer, and a stolen key that its client took away would be good for as long as somebody keeps that address from answering.
    private static readonly TimeSpan Believed = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<string, Fetched> _cache = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Lazy<Task<Fetched>>> _underWay = new(StringComparer.Ordinal);
    private readonly RegisteredClientKeys _registered = new();

    public async ValueTask<IReadOnlyList<JsonWebKey>> FindAsync(Client client, bool refresh, CancellationToken cancellationToken)
    {
        if (client.JwksUri is not { } address)
        {
            return await _registered.FindAsync(client, refresh, cancellationToken);
        }

        var life = refresh ? AskAgain : Life;
        if (Recent(address, life) is not { } known)
        {
            // One asks for all who come meanwhile, and for none of them alone: whoever hangs up stops nobody else's.
            var asking = _underWay.GetOrAdd(address, key => new(() => AskAsync(key, life)));
            known = await asking.Value.WaitAsync(cancellationToken);
        }

        return timeProvider.GetUtcNow() - known.AnsweredAt < Believed ? known.Keys : [];
    }

    private Fetched? Recent(string address, TimeSpan life) => _cache.TryGetValue(address, out var known) && timeProvider.GetUtcNow() - known.AskedAt < life ? known : null;

    private async Task<Fetched> AskAsync(string address, TimeSpan life)
    {
        try
        {
            // Whoever asked before may have been through by the time that this one began.
            if (Recent(address, life) is { } fresh)
            {
                return fresh;
            }

            // Where the client's server is away, what it said last still holds for a while.
            var (now, before) = (timeProvider.GetUtcNow(), _cache.GetValueOrDefault(address));
            var known = await http.GetAsync(address, CancellationToken.None) is { } body ? new Fetched(now, now, Read(body)) : new(now, before?.AnsweredAt ?? now, before?.Keys ?? []);
            return _cache[address] = known;
        }
        finally
        {
            _underWay.TryRemove(address, out _);
        }
    }

    private static IReadOnlyList<JsonWebKey> Read(string body)
    {
        try
        {
            return [.. new JsonWebKeySet(body).Keys];
        }
        catch (Exception exception) when (exception is ArgumentException or System.Text.Json.JsonException)
        {
            // Not a key set: the client cannot be authenticated by it.
            return [];
        }
    }

    private sealed record Fetched(DateTimeOffset AskedAt, DateTimeOffset AnsweredAt, IReadOnlyList<JsonWebKey> Keys);
}
