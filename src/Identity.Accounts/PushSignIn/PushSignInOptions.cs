using Microsoft.Extensions.Options;

namespace Identity.Accounts.PushSignIn;

/// <summary>Section <c>PushSignIn</c> of the settings. Validated at start; means something only where push messages are set up.</summary>
public sealed class PushSignInOptions
{
    public const string Section = "PushSignIn";

    /// <summary>How long a device is waited for.</summary>
    public TimeSpan Lifetime { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Requests that an account's devices get in an hour, answered or not.</summary>
    public int RequestsPerAccount { get; set; } = 10;

    /// <summary>How long nothing is asked after a no; twice as long after each further one, up to four hours, until there was a yes.</summary>
    public TimeSpan DenialDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Whether people may allow their devices to sign them in without the password.</summary>
    public bool AllowWithoutPassword { get; set; } = true;
}

/// <summary>One line per setting that cannot be used.</summary>
internal sealed class PushSignInOptionsValidation : IValidateOptions<PushSignInOptions>
{
    public ValidateOptionsResult Validate(string? name, PushSignInOptions options)
    {
        var problems = new List<string>();
        void Check(bool sound, string setting, string expected)
        {
            if (!sound)
            {
                problems.Add($"{PushSignInOptions.Section}:{setting}: expected {expected}.");
            }
        }

        Check(options.Lifetime >= TimeSpan.FromSeconds(30) && options.Lifetime <= TimeSpan.FromMinutes(3), nameof(options.Lifetime), "30 seconds to 3 minutes");
        Check(options.RequestsPerAccount is >= 3 and <= 100, nameof(options.RequestsPerAccount), "3 to 100");
        Check(options.DenialDelay >= TimeSpan.FromSeconds(10) && options.DenialDelay <= TimeSpan.FromHours(1), nameof(options.DenialDelay), "10 seconds to an hour");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
