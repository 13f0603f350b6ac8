using System.Data.Common;
using Identity.Accounts.Data.Keys;
using Identity.Accounts.Data.Mongo;
using Identity.Accounts.Data.Redis;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Accounts.Data;

/// <summary>What a look at one store came to.</summary>
/// <param name="Name"><c>database</c>, <c>mongodb</c> or <c>redis</c>.</param>
/// <param name="Problem">One line that says how to mend it, without a secret; null: it can be used.</param>
public sealed record StoreFinding(string Name, string? Problem);

/// <summary>Looks at the stores of the settings as they are: nothing is waited for, made or migrated.</summary>
public static class StoreInspection
{
    /// <summary>A finding for each store that is configured; the database first.</summary>
    public static Task<IReadOnlyList<StoreFinding>> InspectStoresAsync(this IServiceProvider services, CancellationToken cancellationToken) =>
        InspectAsync(services, withHome: true, cancellationToken);

    /// <summary>For work beside running servers, in place of <see cref="SqlStoresExtensions.InitializeStoresAsync"/>: a schema that is not this version's is refused and stays as it is.</summary>
    /// <exception cref="StartFailureException">One line for the operator.</exception>
    public static async Task OpenStoresAsync(this IServiceProvider services, CancellationToken cancellationToken)
    {
        if ((await services.InspectStoresAsync(cancellationToken)).FirstOrDefault(finding => finding.Problem is not null) is { Problem: { } problem })
        {
            throw new StartFailureException(problem);
        }

        await services.NoteCredentialsHomeAsync(cancellationToken);
    }

    /// <summary>As above, for a change of where credentials live: what is noted of that is no hindrance.</summary>
    /// <param name="services">With a MongoDB.</param>
    /// <param name="adopts">The operator says that this database and this MongoDB belong together, whatever is noted of that.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="StartFailureException">One line for the operator.</exception>
    public static async Task OpenStoresForMoveAsync(this IServiceProvider services, bool adopts, CancellationToken cancellationToken)
    {
        if ((await InspectAsync(services, withHome: false, cancellationToken)).FirstOrDefault(finding => finding.Problem is not null) is { Problem: { } problem })
        {
            throw new StartFailureException(problem);
        }

        var owner = services.GetRequiredService<MongoOwner>();
        if (adopts)
        {
            await owner.AdoptAsync(cancellationToken);
        }
        else if (await owner.FindProblemAsync(cancellationToken) is { } foreign)
        {
            throw new StartFailureException(foreign);
        }
    }

    internal static bool IsOfDatabase(Exception exception) =>
        exception is DbException or IOException or UnauthorizedAccessException or TimeoutException || exception.InnerException is DbException;

    internal static string Unusable(StorageSettings settings, Exception exception)
    {
        var reason = (exception as DbException ?? exception.InnerException ?? exception).Message.ReplaceLineEndings(" ");
        return $"{Setting(settings)}: expected a usable database ({settings.Description}); it answers: {reason}";
    }

    private static string Setting(StorageSettings settings) => settings.Provider == DatabaseProvider.Sqlite ? "DATA_DIR" : "DB_HOST";

    private static async Task<IReadOnlyList<StoreFinding>> InspectAsync(IServiceProvider services, bool withHome, CancellationToken cancellationToken)
    {
        var findings = new List<StoreFinding> { new("database", await FindDatabaseProblemAsync(services, withHome, cancellationToken)) };
        if (services.GetService<MongoServer>() is { } mongo)
        {
            var problem = (await mongo.FindProblemAsync(cancellationToken))?.Text;
            findings.Add(new("mongodb", problem ?? (withHome && findings[0].Problem is null ? await services.GetRequiredService<MongoOwner>().FindProblemAsync(cancellationToken) : null)));
        }

        if (services.GetService<RedisServer>() is { } redis)
        {
            findings.Add(new("redis", await AsProblemAsync(async () => (await redis.FindProblemAsync(cancellationToken))?.Text)));
        }

        return findings;
    }

    private static async Task<string?> FindDatabaseProblemAsync(IServiceProvider services, bool withHome, CancellationToken cancellationToken)
    {
        var settings = services.GetRequiredService<StorageSettings>();
        try
        {
            return await AsProblemAsync(async () =>
                await services.GetRequiredService<StoreDatabase>().FindSchemaProblemAsync(cancellationToken) is { } problem
                    ? $"{Setting(settings)}: expected a database that is ready ({settings.Description}): {problem}"
                    : await services.GetRequiredService<StoreKeyRing>().FindProblemAsync(cancellationToken) ?? (withHome ? await services.FindHomeProblemAsync(cancellationToken) : null));
        }
        catch (Exception exception) when (IsOfDatabase(exception))
        {
            return Unusable(settings, exception);
        }
    }

    private static async Task<string?> AsProblemAsync(Func<Task<string?>> look)
    {
        try
        {
            return await look();
        }
        catch (StartFailureException failure)
        {
            return failure.Message;
        }
    }
}
