using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>What the carrier does with a request it handed over.</summary>
public enum CodeRequestFate
{
    /// <summary>Answer and acknowledge.</summary>
    Finished,

    /// <summary>Try again later; answer only when giving up.</summary>
    Retry,

    /// <summary>Put it aside for a person to look at, and answer.</summary>
    Dead,
}

/// <summary>What became of a request.</summary>
/// <param name="Fate">What the carrier does now.</param>
/// <param name="Reply">For whoever asked, in the framing of the request.</param>
/// <param name="Outcome">One word for metrics: sent, repeated, refused, invalid, failed, busy.</param>
/// <param name="Reason">Why, where it is not finished. Repeats nothing of the body.</param>
public sealed record CodeRequestResult(CodeRequestFate Fate, byte[] Reply, string Outcome, string? Reason = null);

/// <summary>
/// Works on requests for one-time codes, whatever carried them. One code is sent per message id, also when the process is killed
/// at any point: the id is claimed, the code made, and the claim committed with the answer right before the code is sent.
/// Killed before the commit, the next one to get the message makes a new code (the first was never sent); killed after it,
/// the next one gives the same answer and sends nothing. An id is counted against the limits once, however often it is begun.
/// </summary>
public sealed partial class CodeRequestProcessor(
    IProcessedMessages processed,
    ICodeIssuer issuer,
    IOptions<AccountsOptions> options,
    TimeProvider timeProvider,
    ILogger<CodeRequestProcessor> logger)
{
    // Longer than making a code takes. It need not outlast sending: a claim once committed does not run out.
    private static readonly TimeSpan s_claimDuration = TimeSpan.FromSeconds(5);

    public const string FailedMessage = "The code could not be sent. Try again later.";

    public async Task<CodeRequestResult> ProcessAsync(ReadOnlyMemory<byte> body, string? messageId, CancellationToken cancellationToken)
    {
        CodeRequest? request;
        CodeRequestFraming framing;
        string reason;
        try
        {
            request = CodeRequest.Parse(body, out framing, out reason);
        }
        catch (Exception exception)
        {
            // Whatever it is, the same body would bring it about again. Of its words none are told: they may be the body's.
            (request, framing, reason) = (null, CodeRequestFraming.Bare, "cannot be read (" + exception.GetType().Name + ")");
        }

        if (request is null)
        {
            LogInvalid(reason);
            return new(CodeRequestFate.Dead, CodeRequest.FormatError(framing, "The request is not valid: " + reason + "."), "invalid", reason);
        }

        var id = Key(messageId) ?? Key(request.EnvelopeId);
        try
        {
            return id is null
                ? await AdmitAsync(request, cancellationToken) ?? await IssueAsync(request, (_, _) => Task.FromResult(true), cancellationToken)
                : await ProcessOnceAsync(request, id, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(exception);
            return new(CodeRequestFate.Retry, CodeRequest.FormatError(framing, FailedMessage), "failed", exception.GetType().Name);
        }
    }

    private async Task<CodeRequestResult> ProcessOnceAsync(CodeRequest request, string id, CancellationToken cancellationToken)
    {
        var claim = Guid.NewGuid();
        var now = timeProvider.GetUtcNow();
        var (state, answer) = await processed.ClaimAsync(id, claim, now, now + s_claimDuration, now + options.Value.OneTimeCodeLifetime, cancellationToken);
        switch (state)
        {
            case MessageState.Busy:
                return new(CodeRequestFate.Retry, CodeRequest.FormatError(request.Framing, FailedMessage), "busy", "in progress");
            case MessageState.Done:
                return new(CodeRequestFate.Finished, CodeRequest.FormatAnswer(request.Framing, answer!), "repeated");
        }

        // What was begun before was admitted then: a refusal forgets the id, and so does a failure before the limits had answered.
        var admitted = state == MessageState.ClaimedAgain;
        try
        {
            if (!admitted && await AdmitAsync(request, cancellationToken) is { } refusal)
            {
                await processed.ForgetAsync(id, claim, cancellationToken);
                return refusal;
            }

            admitted = true;
            return await IssueAsync(
                request,
                (made, token) => processed.TryCommitAsync(id, claim, CodeRequest.Serialize(made), Later(made.ExpiresAt, now + options.Value.OneTimeCodeLifetime), token),
                cancellationToken);
        }
        catch
        {
            // The failure is the news; if the store is away too, the claim runs out, or the answer stands without a code.
            try
            {
                await (admitted ? processed.ReleaseAsync(id, claim, timeProvider.GetUtcNow(), CancellationToken.None) : processed.ForgetAsync(id, claim, CancellationToken.None));
            }
            catch (Exception exception)
            {
                LogNotReleased(exception);
            }

            throw;
        }
    }

    private async Task<CodeRequestResult?> AdmitAsync(CodeRequest request, CancellationToken cancellationToken) =>
        await issuer.AdmitAsync(request, cancellationToken) is { } refused ? Refusal(request, refused) : null;

    private static CodeRequestResult Refusal(CodeRequest request, CodeIssue.Refused refused) =>
        new(CodeRequestFate.Finished, CodeRequest.FormatError(request.Framing, refused.Message), "refused");

    private async Task<CodeRequestResult> IssueAsync(CodeRequest request, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken cancellationToken) =>
        await issuer.IssueAsync(request, beforeDelivery, cancellationToken) switch
        {
            CodeIssue.Sent sent => new(CodeRequestFate.Finished, CodeRequest.FormatAnswer(request.Framing, CodeRequest.Serialize(sent.Answer)), "sent"),
            CodeIssue.Refused refused => Refusal(request, refused),
            _ => new(CodeRequestFate.Retry, CodeRequest.FormatError(request.Framing, FailedMessage), "busy", "claim lost"),
        };

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    // Ids are the senders' to choose: a long one must not be cut to another's, and not every store can keep a NUL.
    private static string? Key(string? id) => id switch
    {
        null or "" => null,
        { Length: <= 128 } when !id.Any(char.IsControl) => id,
        _ => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id))),
    };

    [LoggerMessage(2810, LogLevel.Warning, "A request for a one-time code is not valid: {Reason}")]
    private partial void LogInvalid(string reason);

    [LoggerMessage(2811, LogLevel.Error, "A request for a one-time code failed and is tried again")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(2812, LogLevel.Error, "The claim on a failed request could not be given back")]
    private partial void LogNotReleased(Exception exception);
}
