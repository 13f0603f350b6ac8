using Identity.OAuth.Clients;
using Identity.OAuth.Clients.ClientAuthentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Tests.Clients;

/// <summary>A jwks_uri that changed since it was last read.</summary>
internal sealed class RotatingKeys : IClientKeySource
{
    public IReadOnlyList<JsonWebKey> Now { get; set; } = [];

    public IReadOnlyList<JsonWebKey> Later { get; set; } = [];

    public int Refreshes { get; private set; }

    public ValueTask<IReadOnlyList<JsonWebKey>> FindAsync(Client client, bool refresh, CancellationToken cancellationToken)
    {
        Refreshes += refresh ? 1 : 0;
        return new(refresh ? Later : Now);
    }
}

internal static class RotatingKeysExtensions
{
    public static void AddSingletonFor(this IServiceCollection services, RotatingKeys keys) => services.AddSingleton<IClientKeySource>(keys);
}
