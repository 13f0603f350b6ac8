namespace Identity.Server.Pages.Flow;

/// <summary>What remembers, in the browser that registered an account, which one it was.</summary>
public interface IRegistrationTicket
{
    /// <summary>Also for an account that was made up, so that the answers look alike.</summary>
    void Give(HttpContext context, Guid accountId, string email);

    /// <summary>Null: this browser did not register this address within the hour.</summary>
    Guid? Read(HttpContext context, string email);

    void Take(HttpContext context);
}
