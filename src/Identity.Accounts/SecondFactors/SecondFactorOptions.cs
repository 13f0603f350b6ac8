using Microsoft.Extensions.Options;

namespace Identity.Accounts.SecondFactors;

/// <summary>Section <c>SecondFactors</c> of the settings. Validated at start.</summary>
public sealed class SecondFactorOptions
{
    public const string Section = "SecondFactors";

    /// <summary>Accounts with one of these roles always need a second factor: where none is enrolled, a code goes to their e-mail address, and where that was the first one, they add another.</summary>
    public IList<string> RequiredForRoles { get; } = [];

    /// <summary>Clients (by client_id) that take only sign-ins with two factors.</summary>
    public IList<string> RequiredForClients { get; } = [];

    /// <summary>How many days a browser may be remembered; 0: never.</summary>
    public int RememberedBrowserDays { get; set; } = 30;

    /// <summary>What authenticator apps show beside the account; unset: the brand's name.</summary>
    public string? Issuer { get; set; }

    /// <summary>Second factors tried per account and 15 minutes, right or wrong, whatever their kind.</summary>
    public int AttemptsPerAccount { get; set; } = 20;

    /// <summary>Passkeys an account may have.</summary>
    public int PasskeysPerAccount { get; set; } = 20;
}

/// <summary>One line per setting that cannot be used.</summary>
internal sealed class SecondFactorOptionsValidation : IValidateOptions<SecondFactorOptions>
{
    public ValidateOptionsResult Validate(string? name, SecondFactorOptions options)
    {
        var problems = new List<string>();
        void Check(bool sound, string setting, string expected)
        {
            if (!sound)
            {
                problems.Add($"{SecondFactorOptions.Section}:{setting}: expected {expected}.");
            }
        }

        Check(options.RequiredForRoles.All(role => role.Length > 0 && role == role.Trim()), nameof(options.RequiredForRoles), "names of roles");
        Check(options.RequiredForClients.All(client => client.Length > 0 && client == client.Trim()), nameof(options.RequiredForClients), "client ids");
        Check(options.RememberedBrowserDays is >= 0 and <= 365, nameof(options.RememberedBrowserDays), "0 to 365");
        Check(options.Issuer is not { Length: > 64 } && options.Issuer?.Contains(':', StringComparison.Ordinal) != true, nameof(options.Issuer), "at most 64 characters without a colon");
        Check(options.AttemptsPerAccount is >= 3 and <= 1000, nameof(options.AttemptsPerAccount), "3 to 1000");
        Check(options.PasskeysPerAccount is >= 1 and <= 100, nameof(options.PasskeysPerAccount), "1 to 100");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
