// RFC 9700 §4.11: pages are no open redirector.
namespace Identity.Server.Pages.Flow;

/// <summary>Where a page may send the browser when it is done.</summary>
public interface IReturnUrls
{
    /// <summary>The url itself where it is a path of this server that leads nowhere else, else the account page.</summary>
    string Validate(string? returnUrl);
}
