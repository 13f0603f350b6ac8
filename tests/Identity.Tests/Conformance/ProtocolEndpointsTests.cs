// RFC 8414 §2: what is said of an endpoint before OpenIddict reads it (methods, doubled parameters, CORS, outages) holds for each address that OpenIddict answers at.
using System.Reflection;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Requests;
using Identity.Tests.Api;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenIddict.Server;

namespace Identity.Tests.Conformance;

public sealed class ProtocolEndpointsTests(ApiServer server)
{
    [Fact]
    public void Addresses_WhenOpenIddictAnswersAtThem_HaveAKind()
    {
        var options = server.Services.GetRequiredService<IOptions<OpenIddictServerOptions>>().Value;
        var served = typeof(OpenIddictServerOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.Name.EndsWith("EndpointUris", StringComparison.Ordinal) && property.PropertyType == typeof(List<Uri>))
            .SelectMany(property => (List<Uri>)property.GetValue(options)!)
            .Select(address => "/" + address.OriginalString)
            .Where(path => !FirstPartyClient.TokenRoutes.Contains(path, StringComparer.Ordinal))
            .ToList();
        Assert.True(served.Count >= 15);
        Assert.DoesNotContain(served, path => ProtocolEndpoints.KindOf(new PathString(path)) is null);
    }
}
