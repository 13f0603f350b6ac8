using Identity.Accounts.PushSignIn;

namespace Identity.Server.Pages.Flow;

/// <summary>A page that waits for a yes on a person's device, with a form of the id <c>push-form</c> that goes on with it, and a handler <c>State</c> that its script asks how it stands.</summary>
public interface IPushForm
{
    /// <summary>Null: that is not what the page waits for.</summary>
    PushPrompt? Push { get; }
}
