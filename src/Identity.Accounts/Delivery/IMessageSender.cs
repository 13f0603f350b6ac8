namespace Identity.Accounts.Delivery;

/// <summary>A message to a person.</summary>
/// <param name="To">E-mail address, phone number (E.164) or account id (push), by the channel.</param>
/// <param name="Subject">Where the channel has one.</param>
/// <param name="Text">Plain text.</param>
/// <param name="Html">Where the channel has it; null: text only.</param>
/// <param name="Id">The same when one message is handed over again, so that senders and receivers can drop the repeat; null: always a new one.</param>
/// <param name="OpensAccount">What it says lets its reader into the account. By push it goes to devices with a key only: those without may have been registered with a stolen access token.</param>
/// <param name="SignIn">By push: the sign-in that the device is asked about, of which the message says nothing more.</param>
public sealed record PersonalMessage(string To, string? Subject, string Text, string? Html = null, Guid? Id = null, bool OpensAccount = false, SignInQuestion? SignIn = null)
{
    /// <summary>Who sends it, where the channel shows that and the operator's settings name nobody.</summary>
    public string? SenderName { get; init; }

    /// <summary>From when on it is worth nothing, and is not sent; null: it is always worth reading.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
}

/// <summary>A sign-in that a device is asked about.</summary>
/// <param name="Id">For the answer.</param>
/// <param name="ExpiresAt">Too late after.</param>
public sealed record SignInQuestion(Guid Id, DateTimeOffset ExpiresAt);

/// <summary>One delivery channel: email, sms, push.</summary>
public interface IMessageSender
{
    /// <summary><c>email</c>, <c>sms</c> or <c>push</c>.</summary>
    string Channel { get; }

    /// <summary>
    /// Hands the message over, and throws where that failed after the sender's own retries. <paramref name="cancellationToken"/> ends it before the
    /// message is on its way; what is on its way is left to arrive, within the sender's own limit.
    /// </summary>
    /// <exception cref="MessageRefusedException">It will never be taken: trying again helps nobody.</exception>
    Task SendAsync(PersonalMessage message, CancellationToken cancellationToken);
}

/// <summary>Who carries a channel's messages said no to this one for good, as a mail server does for an address that there is not.</summary>
/// <param name="reason">Without what was said: that may hold the person's address.</param>
public sealed class MessageRefusedException(string reason) : Exception("The message was refused for good: " + reason + ".")
{
    public string Reason => reason;
}
