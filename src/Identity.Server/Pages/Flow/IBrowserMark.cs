namespace Identity.Server.Pages.Flow;

/// <summary>What this browser is known by, signed in or not.</summary>
public interface IBrowserMark
{
    /// <summary>The mark that came with the request, or a new one that is lost unless it is kept.</summary>
    string Of(HttpContext context);

    /// <summary>Sends it with the answer: after a sign-in, so that refusals look alike, and with each request that leads to a page: what comes of it counts in this browser alone.</summary>
    void Keep(HttpContext context);
}
