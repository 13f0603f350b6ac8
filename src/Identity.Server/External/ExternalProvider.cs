using Identity.Accounts.ExternalSignIn;

namespace Identity.Server.External;

/// <summary>The port of external sign-in: one implementation for each kind of provider.</summary>
internal interface IExternalProvider
{
    /// <summary>Name in the settings.</summary>
    string Name { get; }

    ProviderOptions Options { get; }

    /// <summary>On buttons.</summary>
    string DisplayName { get; }

    /// <summary>Sends the browser to the provider.</summary>
    /// <exception cref="ExternalRefusal">It cannot be: the provider is away, or set up in a way that is refused.</exception>
    Task ChallengeAsync(HttpContext context, ExternalFlow flow);

    /// <summary>Where the browser goes to sign out there as well, and then comes back to <paramref name="returnUrl"/>; null: nowhere.</summary>
    Task<string?> SignOutUrlAsync(HttpContext context, SessionOrigin origin, string returnUrl);

    /// <summary>What is wrong with the provider as it answers now; nothing: nothing.</summary>
    Task<IReadOnlyList<FederationFinding>> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>The providers of the settings.</summary>
internal sealed class ExternalProviders(FederationOptions options, IEnumerable<IExternalProvider> providers)
{
    private readonly IExternalProvider[] _all = [.. providers];

    /// <summary>Those with a button, in the order of their names.</summary>
    public IReadOnlyList<IExternalProvider> Shown { get; } = [.. providers.Where(provider => provider.Options.Enabled).OrderBy(provider => provider.DisplayName, StringComparer.OrdinalIgnoreCase)];

    /// <summary>Where the sign-in page leads at once.</summary>
    public IExternalProvider? Direct => options.DirectTo is null ? null : FindEnabled(options.DirectTo);

    /// <summary>Also a disabled one.</summary>
    public IExternalProvider? Find(string? name) => Array.Find(_all, provider => string.Equals(provider.Name, name, StringComparison.Ordinal));

    public IExternalProvider? FindEnabled(string? name) => Find(name) is { Options.Enabled: true } provider ? provider : null;

    /// <summary>The one for people with such an address.</summary>
    public IExternalProvider? ForEmail(string? email)
    {
        var at = email?.LastIndexOf('@') ?? -1;
        return at < 0 ? null : Shown.FirstOrDefault(provider => provider.Options.Domains.Contains(email![(at + 1)..].Trim(), StringComparer.OrdinalIgnoreCase));
    }
}
