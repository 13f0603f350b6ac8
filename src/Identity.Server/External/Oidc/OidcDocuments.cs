// OpenID Connect Discovery 1.0 §4, RFC 7517 §5: a provider's discovery document and keys, asked for again as they change.
using System.Net;
using System.Text.Json;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Identity.Server.External.Oidc;

/// <summary>Fetches and keeps them. A provider that is away is asked again by the next sign-in; what it said last holds for a day.</summary>
internal sealed partial class OidcDocuments(string name, ProviderOptions options, OidcIssuers issuers, HttpClient http, bool mayUseHttp, TimeProvider timeProvider, ILogger logger) : IConfigurationManager<OpenIdConnectConfiguration>
{
    // A forged token names a key that nobody has: it must not make us ask the provider as often as somebody likes.
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Stale = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    private Fetched? _fetched;
    private Task<Fetched>? _fetching;

    private sealed record Fetched(OpenIdConnectConfiguration Configuration, bool AnnouncesIssuer, DateTimeOffset At);

    public string Address => options.Discovery ?? options.Authority!.TrimEnd('/') + "/.well-known/openid-configuration";

    /// <summary>Whether the provider says that its answers carry <c>iss</c> (RFC 9207 §3).</summary>
    public async Task<bool> AnnouncesIssuerAsync(CancellationToken cancellationToken) => (await GetAsync(cancellationToken)).AnnouncesIssuer;

    public async Task<OpenIdConnectConfiguration> GetConfigurationAsync(CancellationToken cancel) => (await GetAsync(cancel)).Configuration;

    /// <summary>Asked by the handler after a failure; <see cref="TryRefreshAsync"/> has been there before.</summary>
    public void RequestRefresh()
    {
    }

    /// <summary>Asks anew, for a key that is not known; false: it was asked a moment ago.</summary>
    public async Task<bool> TryRefreshAsync(CancellationToken cancellationToken)
    {
        if (_fetched is { } last && timeProvider.GetUtcNow() - last.At < AskAgain)
        {
            return false;
        }

        await FetchOnceAsync(cancellationToken);
        return true;
    }

    private async Task<Fetched> GetAsync(CancellationToken cancellationToken)
    {
        var last = _fetched;
        var now = timeProvider.GetUtcNow();
        if (last is not null && now - last.At < options.RefreshEvery)
        {
            return last;
        }

        try
        {
            return await FetchOnceAsync(cancellationToken);
        }
        catch (ExternalRefusal failure) when (last is not null && failure.Problem == ExternalProblem.Unavailable && now - last.At < Stale)
        {
            LogStale(name, failure.Message);
            return last;
        }
    }

    // Whoever comes while it is being fetched waits for the same answer.
    private Task<Fetched> FetchOnceAsync(CancellationToken cancellationToken)
    {
        Task<Fetched> fetching;
        lock (_lock)
        {
            if (_fetching is null or { IsCompleted: true })
            {
                _fetching = FetchAsync();
            }

            fetching = _fetching;
        }

        return fetching.WaitAsync(cancellationToken);
    }

    private async Task<Fetched> FetchAsync()
    {
        var discovery = await ReadAsync(Address);
        OpenIdConnectConfiguration configuration;
        bool announces;
        try
        {
            configuration = OpenIdConnectConfiguration.Create(discovery);
            using var document = JsonDocument.Parse(discovery);
            announces = document.RootElement.TryGetProperty("authorization_response_iss_parameter_supported", out var said) && said.ValueKind == JsonValueKind.True;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or InvalidOperationException)
        {
            throw Unusable("discovery", $"{Address} answers what is no discovery document");
        }

        if (!issuers.Accepts(configuration.Issuer))
        {
            throw new ExternalRefusal(ExternalProblem.Setup, "issuer", $"discovery names the issuer {Shown(configuration.Issuer)}, which is not Federation:Providers:{name}:Authority; add it to Federation:Providers:{name}:Issuers if it is the same provider");
        }

        foreach (var (member, address) in new[] { ("authorization_endpoint", configuration.AuthorizationEndpoint), ("token_endpoint", configuration.TokenEndpoint), ("jwks_uri", configuration.JwksUri), ("userinfo_endpoint", configuration.UserInfoEndpoint) })
        {
            if (!(IsUsable(address) || (string.IsNullOrEmpty(address) && member == "userinfo_endpoint")))
            {
                throw new ExternalRefusal(ExternalProblem.Setup, "discovery", $"discovery names no usable {member}: {Shown(address)}");
            }
        }

        if (!IsUsable(configuration.EndSessionEndpoint))
        {
            // Nobody is kept out for it; a sign-out here is none there, as where no such address is named.
            configuration.EndSessionEndpoint = null;
        }

        try
        {
            configuration.JsonWebKeySet = new JsonWebKeySet(await ReadAsync(configuration.JwksUri));
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw Unusable("keys", $"{configuration.JwksUri} answers what is no key set");
        }

        var fetched = new Fetched(configuration, announces, timeProvider.GetUtcNow());
        _fetched = fetched;
        return fetched;
    }

    private async Task<string> ReadAsync(string address)
    {
        try
        {
            using var response = await http.GetAsync(new Uri(address));
            return response.StatusCode == HttpStatusCode.OK
                ? await response.Content.ReadAsStringAsync()
                : throw Unusable("status", $"{address} answers {(int)response.StatusCode}");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException)
        {
            throw Unusable("unreachable", $"{address} cannot be read within {options.Timeout.TotalSeconds:0.#} s ({exception.GetType().Name}); Federation:Providers:{name}:Authority and Timeout say where and how long");
        }
    }

    private bool IsUsable(string? address) => Uri.TryCreate(address, UriKind.Absolute, out var uri) && (uri.Scheme == "https" || (mayUseHttp && uri.Scheme == "http"));

    private static string Shown(string? text) => text is null ? "(none)" : text.ReplaceLineEndings(" ") is { Length: > 200 } long_ ? long_[..200] : text.ReplaceLineEndings(" ");

    private static ExternalRefusal Unusable(string reason, string detail) => new(ExternalProblem.Unavailable, reason, detail);

    [LoggerMessage(5310, LogLevel.Warning, "The documents of {Provider} cannot be asked for, and what it said last is used: {Detail}")]
    private partial void LogStale(string provider, string detail);
}
