// RFC 8176 (amr), OpenID Connect Core §2 (acr), OpenID Connect EAP ACR Values 1.0 (phr): what a sign-in came to, and what it could come to.
using Identity.Accounts.Sessions;

namespace Identity.Accounts.SecondFactors;

/// <summary>What an authorization request that asks for a context class is to do next.</summary>
public enum StepUp
{
    /// <summary>The session has it.</summary>
    Met,
    /// <summary>The account has what it takes: send the person to /signin/second-factor.</summary>
    Possible,
    /// <summary>The account lacks the factor, and may add it: send the person to /signin/add-factor.</summary>
    Enrollable,
    /// <summary>Nothing leads there.</summary>
    Unreachable,
}

/// <summary>Authentication context classes, weakest first, and what leads to each.</summary>
public sealed class AuthenticationContexts(SecondFactorPolicy policy, IAccountStore accounts)
{
    /// <summary>One factor: a password or a one-time code.</summary>
    public const string SingleFactor = SessionService.SingleFactor;

    /// <summary>Two factors, of whatever kind.</summary>
    public const string MultiFactor = "urn:identity:acr:2fa";

    /// <summary>A passkey: the answer is bound to our origin, so a page that looks like ours gets nothing (OpenID Connect EAP ACR Values 1.0).</summary>
    public const string PhishingResistant = "phr";

    public static IReadOnlyList<string> All { get; } = [SingleFactor, MultiFactor, PhishingResistant];

    /// <summary>The class that these methods reach.</summary>
    public static string Of(IReadOnlyList<string> amr) =>
        !amr.Contains(AuthenticationMethods.MultiFactor, StringComparer.Ordinal) ? SingleFactor
        : amr.Contains(AuthenticationMethods.HardwareKey, StringComparer.Ordinal) || amr.Contains(AuthenticationMethods.SoftwareKey, StringComparer.Ordinal) ? PhishingResistant
        : MultiFactor;

    /// <summary>Whether a session of class <paramref name="reached"/> is worth one of class <paramref name="wanted"/>. An unknown class is worth nothing and met by nothing.</summary>
    public static bool Meets(string reached, string wanted) => Rank(reached) >= Rank(wanted) && Rank(wanted) >= 0;

    /// <summary>The strongest class that the account's factors reach.</summary>
    public async Task<string> ReachableAsync(Account account, CancellationToken cancellationToken)
    {
        var methods = await policy.MethodsAsync(account, firstChannel: null, cancellationToken);
        return methods.Contains(FactorKinds.Passkey, StringComparer.Ordinal) ? PhishingResistant : methods.Count > 0 ? MultiFactor : SingleFactor;
    }

    /// <summary>What to do about a request that would take any of <paramref name="wanted"/>.</summary>
    public async Task<StepUp> DecideAsync(Guid accountId, string reached, IReadOnlyList<string> wanted, CancellationToken cancellationToken)
    {
        if (wanted.Count == 0 || wanted.Any(acr => Meets(reached, acr)))
        {
            return StepUp.Met;
        }

        var reachable = await accounts.FindAsync(accountId, cancellationToken) is { } account ? await ReachableAsync(account, cancellationToken) : SingleFactor;
        return wanted.Any(acr => Meets(reachable, acr)) ? StepUp.Possible : wanted.Any(acr => Rank(acr) > 0) ? StepUp.Enrollable : StepUp.Unreachable;
    }

    private static int Rank(string acr) => acr switch
    {
        SingleFactor => 0,
        MultiFactor => 1,
        PhishingResistant => 2,
        _ => -1,
    };
}

/// <summary>RFC 8176 method references.</summary>
public static class AuthenticationMethods
{
    public const string Password = "pwd";
    public const string OneTimeCode = "otp";
    public const string Sms = "sms";

    /// <summary>A passkey that stays in its device.</summary>
    public const string HardwareKey = "hwk";

    /// <summary>A passkey that is synchronised.</summary>
    public const string SoftwareKey = "swk";
    public const string MultiFactor = "mfa";

    /// <summary>A key whose keeper we do not know (OpenID Connect EAP ACR Values 1.0 §3): a device that says yes. Not hwk or swk, which here tell of a passkey, and so of <see cref="AuthenticationContexts.PhishingResistant"/>.</summary>
    public const string Key = "pop";
}
