using Identity.Accounts.ExternalSignIn;
using Identity.Server.Pages.Flow;

namespace Identity.Server.External;

/// <summary>A way to sign in that the page offers.</summary>
/// <param name="Name">Of the provider, for people.</param>
/// <param name="Url">Where it begins.</param>
/// <param name="IsSuggested">The address that was typed is this provider's.</param>
public sealed record ExternalButton(string Name, string Url, bool IsSuggested);

/// <summary>What the pages know of external sign-in.</summary>
public sealed class ExternalButtons
{
    private readonly ExternalProviders _providers;
    private readonly ExternalSignInService _external;

    internal ExternalButtons(ExternalProviders providers, ExternalSignInService external) => (_providers, _external) = (providers, external);

    /// <summary>Whether there is any provider.</summary>
    public bool AreOffered => _providers.Shown.Count > 0;

    /// <summary>Where a sign-in goes without a page, where the settings say so.</summary>
    public string? Direct(string? returnUrl) => _providers.Direct is { } provider ? PageUrls.External(provider.Name, returnUrl) : null;

    public bool IsForProvider(string login) => _providers.ForEmail(login) is not null;

    public IReadOnlyList<ExternalButton> For(string? login, string? returnUrl)
    {
        var suggested = _providers.ForEmail(login);
        return [.. _providers.Shown
            .OrderByDescending(provider => provider == suggested)
            .Select(provider => new ExternalButton(provider.DisplayName, PageUrls.External(provider.Name, returnUrl), provider == suggested))];
    }

    /// <summary>The providers through which an account is reached, to come back with a proof.</summary>
    public async Task<IReadOnlyList<ExternalButton>> OfAsync(Guid accountId, string returnUrl, CancellationToken cancellationToken) =>
    [
        .. (await _external.ListAsync(accountId, cancellationToken))
            .Select(identity => _providers.FindEnabled(identity.Provider))
            .OfType<IExternalProvider>()
            .Distinct()
            .Select(provider => new ExternalButton(provider.DisplayName, PageUrls.External(provider.Name, returnUrl), IsSuggested: false)),
    ];

    /// <summary>The provider's name for people.</summary>
    public string NameOf(string provider) => _providers.Find(provider)?.DisplayName ?? provider;
}
