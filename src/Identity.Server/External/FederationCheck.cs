using System.Security.Cryptography;

namespace Identity.Server.External;

/// <summary>Something about a provider that an operator should know.</summary>
/// <param name="IsProblem">Sign-ins fail or are unsafe because of it; else it is good to know.</param>
/// <param name="Text">One line, in the words of docs/openam.md.</param>
public sealed record FederationFinding(bool IsProblem, string Text);

/// <summary>Fetches a provider's discovery or metadata and says what is wrong with it: <c>identity federation check NAME</c>.</summary>
public sealed class FederationCheck
{
    private readonly ExternalProviders _providers;

    internal FederationCheck(ExternalProviders providers) => _providers = providers;

    /// <summary>The lines to print; the first says how it went. Never throws for what the provider does.</summary>
    public async Task<IReadOnlyList<FederationFinding>> RunAsync(string name, CancellationToken cancellationToken)
    {
        if (_providers.Find(name) is not { } provider)
        {
            return [new(true, $"Federation:Providers:{name}: there is no such provider with discovery or metadata in the settings.")];
        }

        try
        {
            var findings = await provider.CheckAsync(cancellationToken);
            var problems = findings.Count(finding => finding.IsProblem);
            return [new(problems > 0, problems == 0 ? $"{name}: no problem found." : $"{name}: {problems} problem(s) found."), .. findings];
        }
        catch (Exception failure) when (failure is ExternalRefusal or HttpRequestException or IOException or CryptographicException || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return [new(true, $"{name}: it cannot be used: {failure.Message.ReplaceLineEndings(" ")}")];
        }
    }
}
