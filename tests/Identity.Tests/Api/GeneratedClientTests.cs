using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json.Nodes;
using Identity.Tests.Kit.Hosting;
using Identity.Tests.Repository;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using NJsonSchema.CodeGeneration.CSharp;
using NSwag;
using NSwag.CodeGeneration.CSharp;
using NSwag.CodeGeneration.OperationNameGenerators;

namespace Identity.Tests.Api;

/// <summary>What others make of the OpenAPI document: a linter, and generators of clients whose clients then call every route.</summary>
public sealed class GeneratedClientTests : IAsyncLifetime
{
    private const string AdminEmail = "admin@example.com";
    private const string AdminPassword = "correct horse battery staple";

    private static readonly string Folder = Path.Combine(RepositoryRoot.Path, "tests", "Identity.Tests", "Api", "generated");

    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("identity-generated-test-");
    private HostedServer _server = null!;
    private string _document = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await HostedServer.StartAsync();
        _document = await DownloadAsync("/openapi/v1.json");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _work.Delete(recursive: true);
    }

    [Theory]
    [InlineData("/openapi/v1.json", "3.1")]
    [InlineData("/openapi/v1-3.0.json", "3.0")]
    public async Task Document_WhenLintedByRedoclysRecommendedRules_HasNoErrorAndNoWarning(string path, string version)
    {
        RequirePackages();
        var document = await DownloadAsync(path);
        Assert.StartsWith(version + ".", (string?)JsonNode.Parse(await File.ReadAllTextAsync(document))!["openapi"], StringComparison.Ordinal);
        var (_, output) = await RunAsync(Bin("redocly"), "lint", document, "--extends", "recommended", "--format", "json");
        var report = JsonNode.Parse(output[output.IndexOf('{', StringComparison.Ordinal)..])!;
        Assert.Empty(report["problems"]!.AsArray().Select(problem => $"{problem!["ruleId"]} {problem["location"]![0]!["pointer"]}: {problem["message"]}"));
    }

    [Fact]
    public void Document_WhenAPersonReadsIt_DescribesEveryMember()
    {
        var document = JsonNode.Parse(File.ReadAllText(_document))!;
        var bare = document["components"]!["schemas"]!.AsObject()
            .SelectMany(schema => (schema.Value!["properties"]?.AsObject() ?? []).Where(member => !IsDescribed(member.Value!)).Select(member => $"{schema.Key}.{member.Key}"))
            .Concat(Operations(document).SelectMany(operation => (operation.Value["parameters"]?.AsArray() ?? []).Where(parameter => string.IsNullOrEmpty((string?)parameter!["description"])).Select(parameter => $"{operation.Key}: {parameter!["name"]}")))
            .Concat(Operations(document).Where(operation => string.IsNullOrEmpty((string?)operation.Value["summary"]) || string.IsNullOrEmpty((string?)operation.Value["description"])).Select(operation => operation.Key));
        Assert.Empty(bare);
        var ids = Operations(document).Select(operation => (string?)operation.Value["operationId"]).ToArray();
        Assert.DoesNotContain(ids, string.IsNullOrEmpty);
        Assert.Equal(ids.Length, ids.Distinct(StringComparer.Ordinal).Count());
    }

    // openapi-typescript and openapi-fetch. Every answer is held to its schema on the way.
    [Fact]
    public async Task TypeScriptClient_WhenGenerated_CallsEveryRoute()
    {
        RequirePackages();
        foreach (var file in (string[])["package.json", "every-route.ts"])
        {
            File.Copy(Path.Combine(Folder, file), Path.Combine(_work.FullName, file));
        }

        Directory.CreateSymbolicLink(Path.Combine(_work.FullName, "node_modules"), Path.Combine(Folder, "node_modules"));
        Succeeded(await RunAsync(Bin("openapi-typescript"), _document, "-o", Path.Combine(_work.FullName, "api.ts")));
        Succeeded(await RunAsync(Bin("tsc"), "--strict", "--skipLibCheck", "--noEmitOnError", "--target", "es2022", "--module", "nodenext", "--types", "node", "every-route.ts"));
        Succeeded(await RunAsync("node", "every-route.js"));
    }

    // NSwag, compiled here together with csharp/EveryRoute.cs, which knows nothing of this project but the document.
    [Fact]
    public async Task CSharpClient_WhenGenerated_CallsEveryRoute()
    {
        var settings = new CSharpClientGeneratorSettings { ClassName = "IdentityClient", UseBaseUrl = false, GenerateOptionalParameters = true, OperationNameGenerator = new SingleClientFromOperationIdOperationNameGenerator() };
        settings.CSharpGeneratorSettings.Namespace = "Generated";
        settings.CSharpGeneratorSettings.JsonLibrary = CSharpJsonLibrary.SystemTextJson;
        settings.CSharpGeneratorSettings.GenerateNullableReferenceTypes = true;
        var client = new CSharpClientGenerator(await OpenApiDocument.FromFileAsync(_document, TestContext.Current.CancellationToken), settings).GenerateFile();
        var compilation = CSharpCompilation.Create(
            "Generated",
            [CSharpSyntaxTree.ParseText(client, cancellationToken: TestContext.Current.CancellationToken), CSharpSyntaxTree.ParseText(await File.ReadAllTextAsync(Path.Combine(Folder, "EveryRoute.cs.txt"), TestContext.Current.CancellationToken), cancellationToken: TestContext.Current.CancellationToken)],
            ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        using var assembly = new MemoryStream();
        var compiled = compilation.Emit(assembly, cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(compiled.Success, string.Join('\n', compiled.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Take(20)));
        assembly.Position = 0;
        var context = new AssemblyLoadContext("generated", isCollectible: true);
        try
        {
            var run = context.LoadFromStream(assembly).GetType("Generated.EveryRoute")!.GetMethod("RunAsync", BindingFlags.Public | BindingFlags.Static)!;
            var called = await (Task<HashSet<string>>)run.Invoke(null, [_server.Url, AdminEmail, AdminPassword, (Func<string, Task<string>>)(email => _server.ReadCodeAsync(email))])!;
            Assert.Empty(Operations(JsonNode.Parse(await File.ReadAllTextAsync(_document, TestContext.Current.CancellationToken))!).Select(operation => (string)operation.Value["operationId"]!).Except(called, StringComparer.OrdinalIgnoreCase));
        }
        finally
        {
            context.Unload();
        }
    }

    // OpenAPI Generator's, with java.net.http and Jackson; it reads OpenAPI 3.0. Its jar holds the libraries that the client is compiled with.
    [Fact]
    public async Task JavaClient_WhenGenerated_SignsInAndCallsTheRoutes()
    {
        var jar = Path.Combine(Folder, "java", "node_modules", "@openapitools", "openapi-generator-cli", "bin", "openapi-generator.jar");
        Require(File.Exists(jar), "npm packages of tests/Identity.Tests/Api/generated/java");
        Require(File.Exists("/usr/bin/javac"), "default-jdk-headless");
        var document = await DownloadAsync("/openapi/v1-3.0.json");
        Succeeded(await RunAsync(
            "java", "-jar", jar, "generate", "-i", document, "-g", "java", "--library", "native", "-o", "java",
            "-p", "openApiNullable=false,dateLibrary=java8", "--global-property", "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"));
        string[] sources = [.. Directory.GetFiles(Path.Combine(_work.FullName, "java", "src", "main"), "*.java", SearchOption.AllDirectories), Path.Combine(Folder, "java", "Routes.java")];
        Assert.True(sources.Length > 60);
        Succeeded(await RunAsync("javac", ["-cp", jar, "-d", "classes", .. sources]));
        Succeeded(await RunAsync("java", "-cp", $"{jar}:classes", "Routes"));
    }

    private static IEnumerable<KeyValuePair<string, JsonNode>> Operations(JsonNode document) => document["paths"]!.AsObject()
        .SelectMany(path => path.Value!.AsObject().Select(operation => KeyValuePair.Create($"{operation.Key} {path.Key}", operation.Value!)));

    // What may be null and has a schema of its own says it beside the reference.
    private static bool IsDescribed(JsonNode schema) =>
        !string.IsNullOrEmpty((string?)schema["description"]) || schema["oneOf"]?.AsArray().Any(kind => !string.IsNullOrEmpty((string?)kind!["description"])) == true;

    private async Task<string> DownloadAsync(string path)
    {
        using var http = new HttpClient { BaseAddress = _server.Url };
        var file = Path.Combine(_work.FullName, Path.GetFileName(path));
        await File.WriteAllTextAsync(file, await http.GetStringAsync(path));
        return file;
    }

    private static void RequirePackages() => Require(Directory.Exists(Path.Combine(Folder, "node_modules")), "npm packages of tests/Identity.Tests/Api/generated");

    private static void Require(bool isThere, string what) => Apis.ForeignProgram.Require(isThere, what);

    private static string Bin(string name) => Path.Combine(Folder, "node_modules", ".bin", name);

    private static void Succeeded((int ExitCode, string Output) run) => Assert.True(run.ExitCode == 0, run.Output);

    private async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = _work.FullName, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment["BASE_URL"] = _server.Url.ToString().TrimEnd('/');
        start.Environment["DOCUMENT"] = _document;
        start.Environment["OUTBOX"] = _server.OutboxDirectory;
        start.Environment["ADMIN_EMAIL"] = AdminEmail;
        start.Environment["ADMIN_PASSWORD"] = AdminPassword;
        start.Environment["REDOCLY_TELEMETRY"] = "off";
        start.Environment["REDOCLY_SUPPRESS_UPDATE_NOTICE"] = "true";
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        var errors = process.StandardError.ReadToEndAsync(limit.Token);
        var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, process.ExitCode == 0 ? output : output + await errors);
    }
}
