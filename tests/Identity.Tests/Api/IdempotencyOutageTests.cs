// draft-ietf-httpapi-idempotency-key-header: what was done is not done again because its answer could not be kept.
using System.Reflection;
using Identity.Accounts.Data;
using Identity.Accounts.OneTimeCodes.Requests;
using Identity.Api;
using Identity.Api.Failures;
using Identity.Tests.Kit.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>The store goes away between the work of a POST and the note of its answer.</summary>
public sealed class IdempotencyOutageTests
{
    private const string Key = "a-key-of-more-than-16-characters";

    [Fact]
    public async Task Post_WhoseAnswerCannotBeKept_IsAnsweredAllTheSameAndItsRepeatIsToldToWait()
    {
        await using var server = await HostedServer.StartAsync();
        var store = DispatchProxy.Create<IProcessedMessages, Failing>();
        ((Failing)(object)store).Store = server.Services.GetRequiredService<IProcessedMessages>();
        var posts = ActivatorUtilities.CreateInstance<IdempotentPosts>(server.Services, store);
        var done = 0;
        var first = Context(server);
        await posts.RunAsync(first, () => Done(first), new IdempotentAttribute());
        Assert.Null(first.Result);

        var again = Context(server);
        await posts.RunAsync(again, () => Done(again), new IdempotentAttribute());
        Assert.Equal(1, done);
        Assert.Equal(StatusCodes.Status409Conflict, Assert.IsType<Failure>(again.Result).StatusCode);

        // What failed is forgotten as before.
        var failed = Context(server, "another-key-of-more-than-16");
        await Assert.ThrowsAsync<StoreUnavailableException>(() => posts.RunAsync(failed, () => throw new StoreUnavailableException("away"), new IdempotentAttribute()));
        var retried = Context(server, "another-key-of-more-than-16");
        await posts.RunAsync(retried, () => Done(retried), new IdempotentAttribute());
        Assert.Equal(2, done);

        Task<ActionExecutedContext> Done(ActionExecutingContext context)
        {
            done++;
            return Task.FromResult(new ActionExecutedContext(context, [], this) { Result = new ContentResult { StatusCode = 201, Content = "{}" } });
        }
    }

    private static ActionExecutingContext Context(HostedServer server, string key = Key)
    {
        var http = new DefaultHttpContext { RequestServices = server.Services };
        http.Request.Path = "/api/identity/register";
        http.Request.Headers["Idempotency-Key"] = key;
        return new ActionExecutingContext(new ActionContext(http, new RouteData(), new ActionDescriptor()), [], new Dictionary<string, object?>(StringComparer.Ordinal), controller: new object());
    }

    /// <summary>The one statement that notes an answer finds no database.</summary>
    public class Failing : DispatchProxy
    {
        public IProcessedMessages Store { get; set; } = null!;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name == nameof(IProcessedMessages.TryCommitAsync)
            ? Task.FromException<bool>(new StoreUnavailableException("The database does not answer."))
            : targetMethod.Invoke(Store, args);
    }
}
