using Identity.Accounts.Sessions;

namespace Identity.Server.Pages.Flow;

/// <summary>The sign-in session that this browser's cookie stands for.</summary>
public interface IBrowserSession
{
    /// <summary>The live session; null: nobody is signed in here. Looked up in the store once a request.</summary>
    ValueTask<Session?> FindAsync(HttpContext context);

    /// <summary>Sets a new cookie for a session that somebody just signed in to. The cookie from before is worth nothing from then on, and another session that it stood for ends.</summary>
    Task StartAsync(HttpContext context, Session session);

    /// <summary>Takes the cookie away and ends the session behind it; without one it does nothing.</summary>
    Task EndAsync(HttpContext context);
}
