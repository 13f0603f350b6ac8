using System.Diagnostics;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Logging;
using MongoDB.Bson;
using MongoDB.Driver;

namespace Identity.Accounts.Data.Mongo;

/// <summary>The connection to MongoDB. While it is away every call throws within seconds; it comes back by itself.</summary>
internal sealed partial class MongoServer : IDisposable
{
    /// <summary>Every document carries it, so that a later version knows what it reads.</summary>
    public const int SchemaVersion = 1;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    private readonly MongoSettings _settings;
    private readonly ILogger<MongoServer> _logger;
    private readonly MongoClient _client;
    private readonly IMongoDatabase _database;

    public MongoServer(MongoSettings settings, ILogger<MongoServer> logger)
    {
        (_settings, _logger) = (settings, logger);
        var client = MongoClientSettings.FromUrl(settings.Url);
        client.ApplicationName ??= "identity";

        // A person waits for the answer: half a minute, the driver's own patience, is an outage of its own.
        client.ServerSelectionTimeout = TimeSpan.FromSeconds(3);
        client.ConnectTimeout = TimeSpan.FromSeconds(3);
        client.SocketTimeout = TimeSpan.FromSeconds(10);
        client.ReadPreference = ReadPreference.Primary;
        client.WriteConcern = WriteConcern.WMajority;
        _client = new(client);
        _database = _client.GetDatabase(settings.Database);
    }

    public string Description => _settings.Description;

    public IMongoCollection<BsonDocument> Collection(string name) => _database.GetCollection<BsonDocument>(name);

    public static BsonBinaryData Id(Guid id) => new(id, GuidRepresentation.Standard);

    public static Guid Id(BsonValue id) => id.AsBsonBinaryData.ToGuid(GuidRepresentation.Standard);

    /// <exception cref="StoreUnavailableException">It cannot answer now.</exception>
    public static async Task<T> CallAsync<T>(Func<Task<T>> command)
    {
        try
        {
            return await command();
        }
        catch (Exception exception) when (exception is MongoException or TimeoutException && !IsDuplicate(exception))
        {
            throw new StoreUnavailableException("MongoDB does not answer.", exception);
        }
    }

    /// <summary>Whether a document with the id was there already.</summary>
    public static bool IsDuplicate(Exception exception) => exception is MongoWriteException { WriteError.Category: ServerErrorCategory.DuplicateKey } or MongoCommandException { Code: 11000 };

    /// <summary>A document of a version that this one knows.</summary>
    public static BsonDocument Checked(BsonDocument document) => document.GetValue("schema", 0).ToInt32() == SchemaVersion
        ? document
        : throw new InvalidOperationException($"A document of schema {document.GetValue("schema", 0)} was made by another version than this one, which knows {SchemaVersion}.");

    public Task PingAsync(CancellationToken cancellationToken) =>
        CallAsync(() => _database.RunCommandAsync<BsonDocument>(new BsonDocument("ping", 1), cancellationToken: cancellationToken));

    /// <summary>Waits for the server, as nodes and stores may start in any order.</summary>
    /// <exception cref="StartFailureException">One line for the operator.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            if (await FindProblemAsync(cancellationToken) is not { } problem)
            {
                return;
            }

            if (!problem.MayPass || Stopwatch.GetElapsedTime(started) >= _settings.StartWait)
            {
                throw new StartFailureException(problem.Text, problem.Exception);
            }

            if (attempt == 1)
            {
                LogWaiting(Description, _settings.StartWait.TotalSeconds);
            }

            await Task.Delay(s_pause, cancellationToken);
        }
    }

    /// <summary>What keeps us from using it now; null: nothing.</summary>
    public async Task<(string Text, bool MayPass, Exception Exception)?> FindProblemAsync(CancellationToken cancellationToken)
    {
        try
        {
            // A read and not a ping alone: a ping needs no rights.
            await PingAsync(cancellationToken);
            await CallAsync(() => Collection("credentials").Find(FilterDefinition<BsonDocument>.Empty).Limit(1).FirstOrDefaultAsync(cancellationToken));
            return null;
        }
        catch (StoreUnavailableException exception)
        {
            var inner = exception.InnerException!;
            return inner is MongoAuthenticationException || inner.InnerException is MongoAuthenticationException || inner is MongoCommandException { Code: 13 or 18 }
                ? ($"MONGO_URI: expected what {Description} lets in; it refused the sign-in or the right to read and write.", false, exception)
                : ($"MONGO_URI: expected a usable MongoDB ({Description}); it does not answer.", true, exception);
        }
    }

    public void Dispose() => _client.Dispose();

    [LoggerMessage(2830, LogLevel.Warning, "{Server} does not answer yet: waiting for up to {Seconds} s")]
    private partial void LogWaiting(string server, double seconds);
}
