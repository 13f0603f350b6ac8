using System.Reflection;
using System.Text.RegularExpressions;
using Identity.Api;
using Identity.OAuth.Requests;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Routing;

namespace Identity.Tests.Repository;

/// <summary>requests/*.http hold a request for each address that answers: somebody who wonders how one is called finds it there.</summary>
public sealed partial class RequestsTests
{
    private static readonly HashSet<string> Standard = Requests("standard.http");
    private static readonly HashSet<string> Api = Requests("identity.http");

    [Fact]
    public void Standard_WhenAnEndpointIsServed_HasARequestForIt()
    {
        // Aliases are not announced.
        var served = typeof(ProtocolEndpoints).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(field => field.IsLiteral && !field.Name.EndsWith("Alias", StringComparison.Ordinal) && field.Name != nameof(ProtocolEndpoints.AuthorizationServer))
            .Select(field => (string)field.GetRawConstantValue()!).ToArray();
        Assert.Contains("connect/par", served);
        Assert.True(served.Length >= 11);
        Assert.DoesNotContain(served, path => !Standard.Any(request => request.EndsWith(" /" + path, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("authorization_code")]
    [InlineData("refresh_token")]
    [InlineData("client_credentials")]
    [InlineData("urn:ietf:params:oauth:grant-type:device_code")]
    [InlineData("urn:ietf:params:oauth:grant-type:token-exchange")]
    public void Standard_WhenAGrantIsOn_HasARequestForIt(string grant) =>
        Assert.Contains("grant_type=" + grant, Uri.UnescapeDataString(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "requests", "standard.http"))), StringComparison.Ordinal);

    [Fact]
    public void Api_WhenARouteIsServed_HasARequestForIt()
    {
        var routes = typeof(IdentityApiExtensions).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(ControllerBase)) && !type.IsAbstract)
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
                .SelectMany(action => action.GetCustomAttributes<HttpMethodAttribute>())
                .SelectMany(action => action.HttpMethods.Select(method => method + " " + Normal("/" + (type.GetCustomAttribute<RouteAttribute>()?.Template + "/" + action.Template).TrimEnd('/')))))
            .ToHashSet(StringComparer.Ordinal);
        Assert.Contains("POST /api/identity/login", routes);
        Assert.True(routes.Count > 25);
        Assert.Empty(routes.Except(Api).Order(StringComparer.Ordinal));
    }

    private static HashSet<string> Requests(string name)
    {
        var text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "requests", name)).Replace("{{api}}", "/api/identity", StringComparison.Ordinal).Replace("{{host}}", "", StringComparison.Ordinal);
        return [.. Request().Matches(text).Select(match => match.Groups["method"].Value + " " + Normal(match.Groups["path"].Value))];
    }

    // A value in a path is any value. What a test writes and what a reader fills in are alike then.
    private static string Normal(string path) => Value().Replace(path, "{}");

    [GeneratedRegex(@"^(?<method>GET|POST|PUT|PATCH|DELETE) (?<path>/[^\s?]*)", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Request();

    [GeneratedRegex(@"\{\{[^}]+\}\}|\{[^}]*\}|(?<=/roles/)\w+", RegexOptions.ExplicitCapture)]
    private static partial Regex Value();
}
