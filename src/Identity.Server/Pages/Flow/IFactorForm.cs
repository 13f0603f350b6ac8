using Identity.Accounts.SecondFactors;

namespace Identity.Server.Pages.Flow;

/// <summary>A page that asks for a second factor: which, and by which ways else.</summary>
public interface IFactorForm : IPushForm
{
    /// <summary>One of <see cref="FactorKinds"/>, or <c>password</c>.</summary>
    string Way { get; }

    IReadOnlyList<string> Ways { get; }

    string? Sent { get; }

    string? Again { get; }

    string CodeLife { get; }

    PasskeyChallenge? PasskeyChallenge { get; }

    string? LinkReturnUrl { get; }

    /// <summary>How strong the proof has to be at least; null: any will do.</summary>
    int? Strength { get; }

    bool MayRemember { get; }

    /// <summary>What was ticked before a code was wrong.</summary>
    bool Remember { get; }

    /// <summary>For how long, in words.</summary>
    string RememberTime { get; }

    /// <summary>Key of the button's text.</summary>
    string Submit { get; }

    string UrlOf(string way);
}
