// OWASP ASVS 5.0 §12.3 and §15.3.2: calls to providers that the operator named: no redirects, capped in time and size.
namespace Identity.Server.External;

/// <summary>How providers are reached. Tests put their own connections in.</summary>
public class ExternalHttp
{
    /// <summary>Largest document or answer.</summary>
    public const int MaximumBytes = 1024 * 1024;

    /// <param name="timeout">For one call, the body included.</param>
    /// <param name="wrap">What stands around the connection.</param>
    public HttpClient CreateClient(TimeSpan timeout, Func<HttpMessageHandler, HttpMessageHandler>? wrap = null)
    {
        var handler = CreateHandler();
        return new HttpClient(wrap is null ? handler : wrap(handler)) { Timeout = timeout, MaxResponseContentBufferSize = MaximumBytes };
    }

    protected virtual SocketsHttpHandler CreateHandler() => new()
    {
        // A redirect would take secrets and tokens along to wherever it leads; OpenAM answers faults with them.
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(3),
        PooledConnectionLifetime = TimeSpan.FromMinutes(2),
        MaxResponseHeadersLength = 32,
    };
}
