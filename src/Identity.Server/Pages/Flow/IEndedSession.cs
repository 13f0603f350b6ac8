using Identity.Accounts.Sessions;

namespace Identity.Server.Pages.Flow;

/// <summary>The session that this browser has just ended, where applications are to hear of it from the browser.</summary>
public interface IEndedSession
{
    /// <summary>Remembers it until a page takes it; it does nothing where no application is to be told.</summary>
    Task RememberAsync(HttpContext context, Session session);

    /// <summary>A page is still to take it.</summary>
    bool IsRemembered(HttpContext context);

    /// <summary>The addresses that the page has to open, each with what it says of the session; once.</summary>
    Task<IReadOnlyList<Uri>> TakeAsync(HttpContext context);
}
