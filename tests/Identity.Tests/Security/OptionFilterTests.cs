using System.Reflection;
using Identity.OAuth.Requests;
using Microsoft.Extensions.Logging.Abstractions;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.Tests.Security;

/// <summary>Filters that the dispatcher asks once answer as OpenIddict's own do: an update of OpenIddict that changes one fails here.</summary>
public sealed class OptionFilterTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Filter_UnderEitherSetOfOptions_AnswersAsTheBuiltIn(bool value)
    {
        var options = new OpenIddictServerOptions();
        foreach (var option in typeof(OpenIddictServerOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.PropertyType == typeof(bool) && property.CanWrite))
        {
            option.SetValue(options, value);
        }

        var context = new ProcessRequestContext(new OpenIddictServerTransaction { Options = options, Logger = NullLogger.Instance });
        var asked = 0;
        foreach (var type in OptionFilters.All.Where(type => type != typeof(OpenIddictServerAspNetCoreHandlerFilters.RequireHttpRequest)))
        {
            var builtIn = (IOpenIddictServerHandlerFilter<BaseContext>)Activator.CreateInstance(type)!;
            Assert.Equal((type, await builtIn.IsActiveAsync(context)), (type, OptionFilters.IsActive(type, options)!.Value));
            asked++;
        }

        Assert.InRange(asked, 10, 20);
        Assert.Null(OptionFilters.IsActive(typeof(OpenIddictServerHandlerFilters.RequireClientIdParameter), options));
    }
}
