namespace Identity.Server.Pages.Flow;

/// <summary>What a browser carries between the two halves of a sign-in, and from one sign-in to the next.</summary>
public interface ISignInCookies
{
    /// <summary>The ticket of the first half.</summary>
    string? ReadHalf(HttpContext context);

    void WriteHalf(HttpContext context, string ticket);

    void DeleteHalf(HttpContext context);

    /// <summary>Tokens of second factors that this browser need not prove for a while.</summary>
    IReadOnlyList<string> ReadRemembered(HttpContext context);

    void Remember(HttpContext context, Guid accountId, string token);
}
