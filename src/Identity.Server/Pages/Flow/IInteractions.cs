// RFC 6749 §4.1.2.1: a person who says no is an answer too.
using Identity.OAuth.Authorize;

namespace Identity.Server.Pages.Flow;

/// <summary>What pages may add to a request on its way back to the endpoint that judges it.</summary>
public interface IInteractions
{
    /// <summary>True where the validated url leads back to a request of an application or a device: whether somebody has to sign in for it, though signed in, is judged there.</summary>
    bool IsRequest(string returnUrl);

    /// <summary>The address of the page for devices, with a note of when its interaction began.</summary>
    /// <param name="context">The request: the note counts in its browser alone.</param>
    /// <param name="userCode">The code, where it is known; null: it is still to be typed.</param>
    /// <param name="startedAt">To be carried along.</param>
    string VerifyUrl(HttpContext context, string? userCode, DateTimeOffset startedAt);

    /// <summary>True where the validated url leads back to an authorization request, which can then be declined.</summary>
    bool CanDecline(string returnUrl);

    /// <summary>The same request, with the note that the person said no: for an hour, in this browser, the client gets <c>access_denied</c>.</summary>
    string Decline(HttpContext context, string returnUrl);

    /// <summary>What already happened because of this request; null: nothing, or the note is not ours, or not of this request and browser.</summary>
    Interaction? Read(string returnUrl, HttpContext context);
}
