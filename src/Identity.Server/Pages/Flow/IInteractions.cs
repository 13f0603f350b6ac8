// RFC 6749 §4.1.2.1: a person who says no is an answer too.
using Identity.OAuth.Authorize;

namespace Identity.Server.Pages.Flow;

/// <summary>What pages may add to an authorization request on its way back to the authorize endpoint.</summary>
public interface IInteractions
{
    /// <summary>True where the validated url leads back to an authorization request, which can then be declined.</summary>
    bool CanDecline(string returnUrl);

    /// <summary>The same request, with the note that the person said no: the client gets <c>access_denied</c>.</summary>
    string Decline(string returnUrl);

    /// <summary>What already happened because of this request; null: nothing, or the note is not ours or not of this request.</summary>
    Interaction? Read(string returnUrl);
}
