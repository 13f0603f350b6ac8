// All of OAuth 2.0 (RFC 6749) and OpenID Connect goes through here. Replaces OpenIddictServerDispatcher, which walks all of some 390 handlers for each of a request's eight events and asks the container for each filter:
// a fifth of a token request's time. Order, filters and ends are the same; handlers and filters that are singletons are looked up once, a handler that wants nothing but the dispatcher is
// made here, and a filter that asks nothing but the options is asked once.
using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

/// <summary>Hands an event to its handlers in order, until one handles, skips or rejects.</summary>
internal sealed class Dispatcher(IServiceProvider provider, IOptionsMonitor<OpenIddictServerOptions> options, ILogger<Dispatcher> logger) : IOpenIddictServerDispatcher
{
    // By the options, since a rotated key makes new ones.
    private static readonly ConditionalWeakTable<OpenIddictServerOptions, ConcurrentDictionary<Type, object>> s_tables = [];

    // A dispatcher is of one request: its handlers are those of when it began.
    private OpenIddictServerOptions? _options;
    private ConcurrentDictionary<Type, object>? _tables;

    // Delegates: a call through one costs a fraction of a call through an interface with a hundred implementations.
    /// <param name="Handle">Null: made anew for each request.</param>
    /// <param name="Make">How, from the dispatcher; null: by the container.</param>
    private sealed record Step<TContext>(Func<TContext, ValueTask<bool>>[] Filters, Func<TContext, ValueTask>? Handle, ConstructorInvoker? Make, Type Service)
        where TContext : BaseContext;

    public ValueTask DispatchAsync<TContext>(TContext context)
        where TContext : BaseContext
    {
        ArgumentNullException.ThrowIfNull(context);
        return DispatchAsync(Steps<TContext>(), 0, context);
    }

    // Most handlers answer at once: only from the first that waits on, this waits too.
    private ValueTask DispatchAsync<TContext>(Step<TContext>[] steps, int first, TContext context)
        where TContext : BaseContext
    {
        var request = context as BaseRequestContext;
        var validation = context as BaseValidatingContext;
        for (var index = first; index < steps.Length; index++)
        {
            var step = steps[index];
            var active = IsActiveAsync(step.Filters, 0, context);
            if (!active.IsCompletedSuccessfully)
            {
                return AwaitFilterAsync(active, steps, index, context);
            }

            if (!active.Result)
            {
                continue;
            }

            var handled = HandleAsync(step, context);
            if (!handled.IsCompletedSuccessfully)
            {
                return AwaitHandlerAsync(handled, steps, index, context);
            }

            handled.GetAwaiter().GetResult();
            if (IsOver(request, validation))
            {
                TellEnd(step);
                return default;
            }
        }

        return default;
    }

    private async ValueTask AwaitFilterAsync<TContext>(ValueTask<bool> active, Step<TContext>[] steps, int index, TContext context)
        where TContext : BaseContext
    {
        if (await active)
        {
            await AwaitHandlerAsync(HandleAsync(steps[index], context), steps, index, context);
            return;
        }

        await DispatchAsync(steps, index + 1, context);
    }

    private async ValueTask AwaitHandlerAsync<TContext>(ValueTask handled, Step<TContext>[] steps, int index, TContext context)
        where TContext : BaseContext
    {
        await handled;
        if (IsOver(context as BaseRequestContext, context as BaseValidatingContext))
        {
            TellEnd(steps[index]);
            return;
        }

        await DispatchAsync(steps, index + 1, context);
    }

    private ValueTask HandleAsync<TContext>(Step<TContext> step, TContext context)
        where TContext : BaseContext => step.Handle is { } handle ? handle(context) : ((IOpenIddictServerHandler<TContext>)(step.Make is { } make ? make.Invoke(this) : provider.GetRequiredService(step.Service))).HandleAsync(context);

    private static bool IsOver(BaseRequestContext? request, BaseValidatingContext? validation) =>
        request is { IsRequestHandled: true } or { IsRequestSkipped: true } || validation is { IsRejected: true };

    private void TellEnd<TContext>(Step<TContext> step)
        where TContext : BaseContext
    {
        if (logger.IsEnabled(LogLevel.Debug))
        {
            logger.EventEnded(typeof(TContext).Name, step.Service.Name);
        }
    }

    private static ValueTask<bool> IsActiveAsync<TContext>(Func<TContext, ValueTask<bool>>[] filters, int first, TContext context)
        where TContext : BaseContext
    {
        for (var index = first; index < filters.Length; index++)
        {
            var active = filters[index](context);
            if (!active.IsCompletedSuccessfully)
            {
                return AwaitAsync(active, filters, index + 1, context);
            }

            if (!active.Result)
            {
                return new(false);
            }
        }

        return new(true);
    }

    private static async ValueTask<bool> AwaitAsync<TContext>(ValueTask<bool> active, Func<TContext, ValueTask<bool>>[] filters, int next, TContext context)
        where TContext : BaseContext => await active && await IsActiveAsync(filters, next, context);

    private Step<TContext>[] Steps<TContext>()
        where TContext : BaseContext
    {
        _options ??= options.CurrentValue;
        _tables ??= s_tables.GetValue(_options, _ => new());
        return (Step<TContext>[])(_tables.TryGetValue(typeof(TContext), out var steps) ? steps : _tables.GetOrAdd(typeof(TContext), Read<TContext>(_options)));
    }

    private Step<TContext>[] Read<TContext>(OpenIddictServerOptions current)
        where TContext : BaseContext => [.. current.Handlers
            .Where(handler => handler.ContextType == typeof(TContext) && handler.FilterTypes.All(filter => OptionFilters.IsActive(filter, current) != false))
            .Select(handler => Read<TContext>(handler, current))];

    // OpenIddict registers filters as singletons.
    private Step<TContext> Read<TContext>(OpenIddictServerHandlerDescriptor descriptor, OpenIddictServerOptions current)
        where TContext : BaseContext
    {
        var handler = descriptor.ServiceDescriptor.ImplementationInstance as IOpenIddictServerHandler<TContext>
            ?? (descriptor.ServiceDescriptor.Lifetime == ServiceLifetime.Singleton ? (IOpenIddictServerHandler<TContext>)provider.GetRequiredService(descriptor.ServiceDescriptor.ServiceType) : null);
        return new(
            [.. descriptor.FilterTypes.Where(filter => OptionFilters.IsActive(filter, current) is null).Select(filter => (Func<TContext, ValueTask<bool>>)((IOpenIddictServerHandlerFilter<TContext>)provider.GetRequiredService(filter)).IsActiveAsync)],
            handler is null ? null : handler.HandleAsync,
            handler is null ? WantsDispatcherAlone(descriptor.ServiceDescriptor) : null,
            descriptor.ServiceDescriptor.ServiceType);
    }

    private static ConstructorInvoker? WantsDispatcherAlone(ServiceDescriptor handler) =>
        handler.ImplementationType?.GetConstructors() is [var constructor] && constructor.GetParameters() is [var parameter] && parameter.ParameterType == typeof(IOpenIddictServerDispatcher)
            ? ConstructorInvoker.Create(constructor)
            : null;
}
