using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Identity.Data.Tests.Configuration;

/// <summary>What a section may say, and what is told of the rest.</summary>
public sealed class SectionValuesTests
{
    [Theory]
    [InlineData("30s", 30)]
    [InlineData("15m", 900)]
    [InlineData(" 7d ", 604800)]
    [InlineData("00:15:00", 900)]
    [InlineData("1.02:00:00", 93600)]
    [InlineData("0", 0)]
    [InlineData("0s", 0)]
    [InlineData("", 5)]
    [InlineData("  ", 5)]
    [InlineData(null, 5)]
    public void Duration_WhenUnderstoodOrEmpty_IsTakenOrLeft(string? text, int seconds)
    {
        var options = new Sample();
        Assert.Empty(SectionValues.Bind(Section(("Wait", text)), options));
        Assert.Equal(TimeSpan.FromSeconds(seconds), options.Wait);
    }

    [Theory]
    [InlineData("Wait", "14", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("Wait", "00", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("Wait", "0sm", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("Wait", "-00:00:01", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("Wait", "999999.00:00:00", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("Wait", "25:00:00:00:00", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("Perhaps", "soon", "a duration such as 30s, 15m, 1h, 7d or 00:15:00")]
    [InlineData("On", "yes", "true or false")]
    [InlineData("Count", "ten", "a number without a fraction")]
    [InlineData("Count", "99999999999", "a number without a fraction")]
    [InlineData("Day", "Someday", "one of Sunday, Monday, Tuesday, Wednesday, Thursday, Friday, Saturday")]
    [InlineData("Day", "9", "one of Sunday, Monday, Tuesday, Wednesday, Thursday, Friday, Saturday")]
    [InlineData("Named:a:On", "canary", "true or false")]
    [InlineData("Many:1:Count", "canary", "a number without a fraction")]
    [InlineData("Numbers:0", "canary", "a number without a fraction")]
    public void Value_WhenItCannotBeUsed_IsALineAndTheDefaultStays(string name, string text, string expected)
    {
        var options = new Sample();
        Assert.Equal([$"Sample:{name}: expected {expected}."], SectionValues.Bind(Section((name, text), ("Text", "kept")), options));
        Assert.Equal((TimeSpan.FromSeconds(5), null, false, 3, DayOfWeek.Monday, "kept"), (options.Wait, options.Perhaps, options.On, options.Count, options.Day, options.Text));
    }

    [Fact]
    public void Values_WhenTheyAreNestedOrMany_AreAllRead()
    {
        var options = new Sample();
        Assert.Empty(SectionValues.Bind(
            Section(("On", "True"), ("Count", " 4 "), ("Day", "friday"), ("Perhaps", "1h"), ("Text", ""), ("Texts:0", "a"), ("Texts:1", "b"), ("Named:a:Wait", "2m"), ("Many:0:On", "true"), ("Numbers:0", "7"), ("On:stray", "x")),
            options));
        Assert.Equal((true, 4, DayOfWeek.Friday, TimeSpan.FromHours(1), ""), (options.On, options.Count, options.Day, options.Perhaps, options.Text));
        Assert.Equal(["a", "b"], options.Texts);
        Assert.Equal(TimeSpan.FromMinutes(2), options.Named["A"].Wait);
        Assert.True(Assert.Single(options.Many).On);
        Assert.Equal([7], options.Numbers);
    }

    [Theory]
    [InlineData("Whait", "30s", "Wait")]
    [InlineData("counts", "4", "Count")]
    [InlineData("Named:a:Onn", "true", "Named:a:On")]
    [InlineData("Many:0:Cuont", "4", "Many:0:Count")]
    [InlineData("Perhapps:0", "1h", "Perhaps")]
    public void Member_WhenThereIsNoneOfItsName_IsALineWithTheNearest(string name, string text, string nearest)
    {
        var of = name.EndsWith(":0", StringComparison.Ordinal) ? name[..^2] : name;
        Assert.Equal([$"Sample:{of}: expected a setting that exists, such as Sample:{nearest}."], SectionValues.Bind(Section((name, text)), new Sample()));
    }

    [Fact]
    public void Member_WhenThereIsNoneOfItsNameAndNothingInIt_IsNoMistake() =>
        Assert.Empty(SectionValues.Bind(Section(("Whait", ""), ("Nothing", null), ("None:0", " ")), new Sample()));

    // .NET's binder leaves the list empty and says nothing: whoever wrote RequiredForRoles=admin would believe it in force.
    [Theory]
    [InlineData("a", "a")]
    [InlineData(" a , b c,", "a", "b c")]
    [InlineData(" , ")]
    [InlineData("  ")]
    public void List_WhenItIsOneValue_IsSplitAtItsCommas(string text, params string[] parts)
    {
        var options = new Sample();
        Assert.Empty(SectionValues.Bind(Section(("Texts", text)), options));
        Assert.Equal(parts, options.Texts);
    }

    [Fact]
    public void List_WhenItsEntriesAreEmptyOrNumbers_DropsTheEmptyAndReadsTheNumbers()
    {
        var options = new Sample();
        Assert.Empty(SectionValues.Bind(Section(("Texts:0", ""), ("Texts:1", "b"), ("Numbers", "7, 8")), options));
        Assert.Equal(["b"], options.Texts);
        Assert.Equal([7, 8], options.Numbers);
    }

    [Theory]
    [InlineData("Sample:Many: expected what is in it one by one, such as Sample:Many:0:Wait.", "Many=canary")]
    [InlineData("Sample:Named: expected what is in it one by one, such as Sample:Named:NAME:Wait.", "Named=canary")]
    [InlineData("Sample:Pairs: expected what is in it one by one, such as Sample:Pairs:NAME.", "Pairs=canary")]
    [InlineData("Sample:Inner: expected what is in it one by one, such as Sample:Inner:Wait.", "Inner=canary")]
    [InlineData("Sample:Texts: expected either one value with commas, or entries such as Sample:Texts:0, and not both.", "Texts=canary", "Texts:0=a")]
    [InlineData("Sample:Numbers:1: expected a number without a fraction.", "Numbers=1,canary")]
    public void Value_WhenItStandsWhereSeveralBelong_IsALine(string line, params string[] values) =>
        Assert.Equal([line], SectionValues.Bind(Section([.. values.Select(value => value.Split('=')).Select(pair => (pair[0], (string?)pair[1]))]), new Sample()));

    // A variable of such a name may be anybody's.
    [Fact]
    public void Section_WhenItHasAValueOfItsOwn_IsLeftAlone() =>
        Assert.Empty(SectionValues.FindProblems(new ConfigurationBuilder().AddInMemoryCollection([new("Sample", "whatever")]).Build().GetSection("Sample"), typeof(Sample)));

    [Fact]
    public void Lines_WhenSeveralSectionsAreBad_AreOneEachAndForAnythingElseNone()
    {
        var two = new AggregateException(new OptionsValidationException("", typeof(Sample), ["A: x.", "B: y."]), new OptionsValidationException("", typeof(Sample), ["B: y.", "C: z."]));
        Assert.Equal(["A: x.", "B: y.", "C: z."], StartProblem.Lines(two)!.Split(Environment.NewLine));
        Assert.Null(StartProblem.Lines(new AggregateException(new StartFailureException("A: x."), new InvalidOperationException("a bug"))));
        Assert.Null(StartProblem.Lines(new InvalidOperationException("a bug")));
    }

    // Read by .NET before anything of ours, and so in its words, but in one line and without a stack trace.
    [Fact]
    public void Lines_WhenDotNetItselfCannotReadASetting_AreThoseOfItToo()
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, "{\n\"a\": yes }");
        var unread = StartProblem.Lines(Assert.Throws<InvalidDataException>(() => new ConfigurationBuilder().AddJsonFile(file).Build()))!;
        Assert.Contains(file, unread, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', unread);
        File.Delete(file);

        var settings = new ConfigurationBuilder().AddInMemoryCollection([new("Framework:On", "canary")]).Build();
        Assert.Equal("Framework:On: expected a value of type Boolean.", StartProblem.Lines(Assert.Throws<InvalidOperationException>(() => settings.GetSection("Framework").Bind(new Sample()))));
    }

    [Theory]
    [InlineData("amqp://user:p%3Aass@host/vhost", true)]
    [InlineData("amqp://user:pa:ss@host", false)]
    [InlineData("amqp://host", true)]
    [InlineData("amqps://user@host:5671", true)]
    public void RabbitMqUri_WhenItsPasswordHasAColon_HasToEscapeIt(string uri, bool isTaken)
    {
        var problems = new List<string>();
        var settings = RabbitMqSettings.Read(new ConfigurationBuilder().AddInMemoryCollection([new("RABBITMQ_URIS", uri)]).Build(), problems);
        Assert.Equal(isTaken, settings is not null);
        Assert.Equal(isTaken ? 0 : 1, problems.Count);
        Assert.DoesNotContain(problems, problem => problem.Contains("pa:ss", StringComparison.Ordinal));
    }

    private static IConfigurationSection Section(params (string Name, string? Value)[] values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values.Select(value => KeyValuePair.Create("Sample:" + value.Name, value.Value))).Build().GetSection("Sample");

    private sealed class Sample
    {
        public TimeSpan Wait { get; set; } = TimeSpan.FromSeconds(5);

        public TimeSpan? Perhaps { get; set; }

        public bool On { get; set; }

        public int Count { get; set; } = 3;

        public DayOfWeek Day { get; set; } = DayOfWeek.Monday;

        public string? Text { get; set; }

        public IList<string> Texts { get; } = [];

        public List<int> Numbers { get; } = [];

        public List<Sample> Many { get; } = [];

        public Dictionary<string, string> Pairs { get; init; } = [];

        public Sample? Inner { get; set; }

        public Dictionary<string, Sample> Named { get; init; } = new(StringComparer.OrdinalIgnoreCase);
    }
}
