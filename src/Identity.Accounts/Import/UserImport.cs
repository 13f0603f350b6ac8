namespace Identity.Accounts.Import;

/// <summary>How far an import is.</summary>
public sealed record ImportProgress(long Lines, long Created, long Existing, long Refused);

/// <summary>A line that was refused, and why.</summary>
/// <param name="Line">From 1.</param>
/// <param name="Reasons">Each as the sentence of a failure; never a piece of the line.</param>
public sealed record ImportRefusal(long Line, IReadOnlyList<string> Reasons);

/// <summary>
/// Takes in a file of users, for a command line: in batches, each of them whole. Safe to run again: who is there already, by id or else
/// by address, stays as they are.
/// </summary>
public sealed class UserImport(ImportReader reader, AccountIntake intake)
{
    /// <param name="lines"><see cref="JsonLines"/> or <see cref="CsvLines"/>.</param>
    /// <param name="refused">Told of every line that is not taken.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellationToken">Stops after the batch.</param>
    public async Task<ImportProgress> RunAsync(IAsyncEnumerable<ImportLine> lines, Action<ImportRefusal> refused, IProgress<ImportProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(refused);
        var total = new ImportProgress(0, 0, 0, 0);
        await foreach (var batch in lines.Chunk(AccountIntake.Most).WithCancellation(cancellationToken))
        {
            var (brought, refusals) = Read(batch);
            var outcomes = await intake.AddAsync([.. brought.Select(line => line.Account)], cancellationToken);
            refusals.AddRange(Refusals(brought, outcomes));
            refusals.ForEach(refused);
            total = new(
                total.Lines + batch.Length,
                total.Created + outcomes.Count(outcome => outcome == Intake.Created),
                total.Existing + outcomes.Count(outcome => outcome == Intake.Existing),
                total.Refused + refusals.Count);
            progress?.Report(total);
        }

        return total;
    }

    /// <summary>What can be taken in, and what is refused as it is written.</summary>
    internal (List<(long Line, BroughtAccount Account)> Brought, List<ImportRefusal> Refusals) Read(IEnumerable<ImportLine> lines)
    {
        var (brought, refusals) = (new List<(long, BroughtAccount)>(), new List<ImportRefusal>());
        foreach (var line in lines.Where(line => line.Json.Length > 0))
        {
            var (account, problems) = reader.Read(line.Json);
            if (account is null)
            {
                refusals.Add(new ImportRefusal(line.Number, problems));
            }
            else
            {
                brought.Add((line.Number, account));
            }
        }

        return (brought, refusals);
    }

    /// <summary>What the store refused.</summary>
    internal static IEnumerable<ImportRefusal> Refusals(IReadOnlyList<(long Line, BroughtAccount Account)> brought, IReadOnlyList<Intake> outcomes) =>
        brought.Zip(outcomes, (line, outcome) => (line.Line, Reason: Reason(outcome))).Where(line => line.Reason is not null).Select(line => new ImportRefusal(line.Line, [line.Reason!]));

    private static string? Reason(Intake outcome) => outcome switch
    {
        Intake.EmailTaken => "email is another account's",
        Intake.UserNameTaken => "userName is another account's",
        Intake.PhoneNumberTaken => "phoneNumber is another account's",
        Intake.UnknownRole => AccountRules.RolesExistRule,
        _ => null,
    };
}
