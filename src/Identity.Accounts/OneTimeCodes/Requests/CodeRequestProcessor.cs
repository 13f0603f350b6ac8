using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

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
/// <param name="Outcome">One word for metrics: sent, repeated, refused, invalid, failed, undeliverable, busy, in_doubt.</param>
/// <param name="Reason">Why, where it is not finished. Repeats nothing of the body.</param>
public sealed record CodeRequestResult(CodeRequestFate Fate, byte[] Reply, string Outcome, string? Reason = null);

/// <summary>
/// Works on requests for one-time codes, whatever carried them. One code is sent per message id, also when the process is killed
/// at any point: the id is claimed, the code made, and the claim committed with the answer right before the code is sent.
/// Killed before the commit, the next one to get the message makes a new code (the first was never sent). After it the id is busy
/// until the code is sent, and then the next one gives the same answer and sends nothing; where whoever was to send it is gone,
/// it is put aside, since it may have been. An id is counted against the limits once, however often it is begun. All this for a day.
/// </summary>
public sealed partial class CodeRequestProcessor(
    IProcessedMessages processed,
    ICodeIssuer issuer,
    TimeProvider timeProvider,
    ILogger<CodeRequestProcessor> logger)
{
    // Longer than making a code takes. Sending may take a minute, and says every second that it is still at it.
    private static readonly TimeSpan s_claimDuration = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_holdInterval = TimeSpan.FromSeconds(1);

    // Far longer than the code lives: a message that an outage kept on its way is still the one that was answered, or is in doubt.
    private static readonly TimeSpan s_remembered = TimeSpan.FromDays(1);

    public const string FailedMessage = "The code could not be sent. Try again later.";
    public const string UndeliverableMessage = "The code cannot be sent to this address.";
    public const string InDoubtMessage = "The code may not have been sent. Ask for another, under another message id.";

    /// <param name="body">As it came.</param>
    /// <param name="messageId">Null: the envelope's, if it has one.</param>
    /// <param name="isAnswered">Whether somebody waits for the answer. If not, a refusal for a passing reason is tried again: nobody else will.</param>
    /// <param name="stopping">Ends sending where nothing was handed over yet: the request is then another's, and this throws.</param>
    public async Task<CodeRequestResult> ProcessAsync(ReadOnlyMemory<byte> body, string? messageId, bool isAnswered, CancellationToken stopping)
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
            return Invalid(framing, reason);
        }

        var id = Key(messageId) ?? Key(request.EnvelopeId);
        try
        {
            return id is null
                ? await AdmitAsync(request, isAnswered) ?? await IssueAsync(request, isAnswered, (_, _) => Task.FromResult(true), stopping)
                : await ProcessOnceAsync(request, id, isAnswered, stopping);
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            LogFailed(exception);
            return new(CodeRequestFate.Retry, CodeRequest.FormatError(framing, FailedMessage), "failed", exception.GetType().Name);
        }
    }

    private async Task<CodeRequestResult> ProcessOnceAsync(CodeRequest request, string id, bool isAnswered, CancellationToken stopping)
    {
        var claim = Guid.NewGuid();
        var now = timeProvider.GetUtcNow();
        var (state, answer) = await processed.ClaimAsync(id, claim, now, now + s_claimDuration, now + s_remembered, CancellationToken.None);
        switch (state)
        {
            case MessageState.Busy:
                return new(CodeRequestFate.Retry, CodeRequest.FormatError(request.Framing, FailedMessage), "busy", "in progress");
            case MessageState.InDoubt:
                return new(CodeRequestFate.Dead, CodeRequest.FormatError(request.Framing, InDoubtMessage), "in_doubt", "may not have been sent");
            case MessageState.Done:
                return new(CodeRequestFate.Finished, CodeRequest.FormatAnswer(request.Framing, answer!), "repeated");
        }

        // What was begun before was admitted then: a refusal forgets the id, and so does a failure before the limits had answered.
        var admitted = state == MessageState.ClaimedAgain;
        CodeRequestResult result;
        var holding = Task.CompletedTask;
        using var sent = new CancellationTokenSource();
        try
        {
            if (!admitted && await AdmitAsync(request, isAnswered) is { } refusal)
            {
                await processed.ForgetAsync(id, claim, CancellationToken.None);
                return refusal;
            }

            admitted = true;
            result = await IssueAsync(
                request,
                isAnswered,
                async (made, _) =>
                {
                    var until = timeProvider.GetUtcNow() + s_claimDuration;
                    if (!await processed.TryBeginAsync(id, claim, CodeRequest.Serialize(made), until, now + s_remembered, CancellationToken.None))
                    {
                        return false;
                    }

                    holding = HoldAsync(id, claim, sent.Token);
                    return true;
                },
                stopping);
            await sent.CancelAsync();
            await holding;
        }
        catch
        {
            await sent.CancelAsync();
            await holding;

            // The failure is the news; if the store is away too, the claim runs out, or the request is in doubt.
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

        await EndAsync(id, claim, result.Outcome);
        return result;
    }

    private async Task HoldAsync(string id, Guid claim, CancellationToken sent)
    {
        while (!sent.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(s_holdInterval, timeProvider, sent);
                await processed.HoldAsync(id, claim, timeProvider.GetUtcNow() + s_claimDuration, CancellationToken.None);
            }
            catch (OperationCanceledException) when (sent.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogNotHeld(exception);
            }
        }
    }

    // Outside of what gives the claim back: the code is with its person, whatever becomes of the mark.
    private async Task EndAsync(string id, Guid claim, string outcome)
    {
        try
        {
            await (outcome switch
            {
                "sent" => processed.EndAsync(id, claim, CancellationToken.None),
                "undeliverable" or "failed" => processed.ReleaseAsync(id, claim, timeProvider.GetUtcNow(), CancellationToken.None),
                _ => Task.CompletedTask,
            });
        }
        catch (Exception exception)
        {
            LogNotMarked(exception);
        }
    }

    private CodeRequestResult Invalid(CodeRequestFraming framing, string reason)
    {
        LogInvalid(reason);
        return new(CodeRequestFate.Dead, CodeRequest.FormatError(framing, "The request is not valid: " + reason + "."), "invalid", reason);
    }

    private async Task<CodeRequestResult?> AdmitAsync(CodeRequest request, bool isAnswered) =>
        await issuer.AdmitAsync(request, CancellationToken.None) is { } refused ? Refusal(request, refused, isAnswered) : null;

    private CodeRequestResult Refusal(CodeRequest request, CodeIssue.Refused refused, bool isAnswered)
    {
        if (refused.IsUnreadable)
        {
            return Invalid(request.Framing, refused.Message);
        }

        if (!isAnswered)
        {
            LogRefused(refused.Message);
        }

        return new(!isAnswered && refused.IsPassing ? CodeRequestFate.Retry : CodeRequestFate.Finished, CodeRequest.FormatError(request.Framing, refused.Message), "refused", "refused: " + refused.Message);
    }

    private CodeRequestResult Failure(CodeRequest request, CodeIssue.Undelivered undelivered)
    {
        LogNotDelivered(undelivered.Kind);
        return new(CodeRequestFate.Retry, CodeRequest.FormatError(request.Framing, FailedMessage), "failed", undelivered.Kind);
    }

    private async Task<CodeRequestResult> IssueAsync(CodeRequest request, bool isAnswered, Func<CodeRequestAnswer, CancellationToken, Task<bool>> beforeDelivery, CancellationToken stopping) =>
        await issuer.IssueAsync(request, beforeDelivery, stopping) switch
        {
            CodeIssue.Sent sent => new(CodeRequestFate.Finished, CodeRequest.FormatAnswer(request.Framing, CodeRequest.Serialize(sent.Answer)), "sent"),
            CodeIssue.Refused refused => Refusal(request, refused, isAnswered),
            CodeIssue.Undelivered undelivered => Failure(request, undelivered),
            CodeIssue.Undeliverable => new(CodeRequestFate.Dead, CodeRequest.FormatError(request.Framing, UndeliverableMessage), "undeliverable", "refused for good by who was to deliver it"),
            _ => new(CodeRequestFate.Retry, CodeRequest.FormatError(request.Framing, FailedMessage), "busy", "claim lost"),
        };

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

    [LoggerMessage(2819, LogLevel.Warning, "A one-time code that was asked for by message could not be handed over ({Kind}) and is tried again")]
    private partial void LogNotDelivered(string kind);

    [LoggerMessage(2812, LogLevel.Error, "The claim on a failed request could not be given back")]
    private partial void LogNotReleased(Exception exception);

    [LoggerMessage(2816, LogLevel.Warning, "A request for a one-time code was refused, and nobody waits for the answer: {Reason}")]
    private partial void LogRefused(string reason);

    [LoggerMessage(2817, LogLevel.Warning, "It could not be noted that a code is still being sent: a repeat of its request may be put aside meanwhile")]
    private partial void LogNotHeld(Exception exception);

    [LoggerMessage(2818, LogLevel.Warning, "It could not be noted what became of a code: a repeat of its request is put aside")]
    private partial void LogNotMarked(Exception exception);
}
