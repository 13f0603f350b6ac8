using Identity.Accounts.Delivery;

namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>Codes for the services of the operator's that ask by message: the same as the pages', counted by whom they are for.</summary>
public sealed class RequestedCodes(CodeRecipients recipients, CodeLimits limits, CodeMaker maker, DeliveryQueue delivery) : ICodeIssuer
{
    private static readonly Caller s_queue = new(Ip: null, UserAgent: null, ActorId: "otp_requests");

    private static CodeIssue.Refused NoChannel => new("This channel is not available.");

    public async Task<CodeIssue.Refused?> AdmitAsync(CodeRequest request, CancellationToken cancellationToken)
    {
        var recipient = Recipient(request);
        if (maker.Channel(recipient, request.Channel) is null)
        {
            return NoChannel;
        }

        var account = await recipients.FindAsync(recipient, request.Purpose, asking: null, cancellationToken);
        if (account is null && recipients.Unreadable(recipient) is { } problem)
        {
            return new(problem, IsUnreadable: true);
        }

        return await limits.CountAsync(recipient, account, request.Purpose, s_queue, cancellationToken) is { } wait
            ? new(FormattableString.Invariant($"Too many codes were asked for. Try again in {Math.Ceiling(wait.TotalSeconds)} seconds."), IsPassing: true)
            : null;
    }

    public async Task<CodeIssue> IssueAsync(CodeRequest request, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken cancellationToken)
    {
        var recipient = Recipient(request);
        if (maker.Channel(recipient, request.Channel) is not { } channel)
        {
            return NoChannel;
        }

        var account = await recipients.FindAsync(recipient, request.Purpose, asking: null, cancellationToken);
        var made = await maker.MakeAsync(recipient, account, channel, request.Purpose, s_queue, byService: true, cancellationToken);
        var answer = new CodeRequestAnswer(made.Id, channel, made.MaskedDestination, made.ExpiresAt);
        if (!await beforeDelivery(answer, cancellationToken))
        {
            return new CodeIssue.Withheld();
        }

        if (made.Message is not null)
        {
            try
            {
                await delivery.SendAsync(channel, made.Message, cancellationToken);
            }
            catch (MessageRefusedException)
            {
                return new CodeIssue.Undeliverable();
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                return new CodeIssue.Undelivered(exception.GetType().Name);
            }
        }

        return new CodeIssue.Sent(answer);
    }

    private static CodeRecipient Recipient(CodeRequest request) =>
        new(request.AccountId, request.AccountId is null ? request.Email : null, request.AccountId is null && request.Email is null ? request.PhoneNumber : null);
}
