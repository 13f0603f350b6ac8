// RFC 5869 (HKDF): one secret outside the database, from which every key that must not be in it is derived.
using System.Security.Cryptography;
using System.Text;
using Identity.ServiceDefaults.Settings;

namespace Identity.Accounts.Data.Keys;

/// <summary>The operator's 32 bytes: MASTER_KEY, or the file <c>master.key</c> in DATA_DIR, which is made at the first start.</summary>
public sealed class MasterKey
{
    /// <summary>Length in bytes.</summary>
    public const int Length = 32;

    private readonly byte[] _key;

    internal MasterKey(byte[] key)
    {
        if (key.Length != Length)
        {
            throw new ArgumentException("A master key has 32 bytes.", nameof(key));
        }

        _key = key;
    }

    /// <summary>32 bytes for one purpose. Keys of different purposes tell nothing of each other or of the master key.</summary>
    public byte[] Derive(string purpose) => HKDF.DeriveKey(HashAlgorithmName.SHA256, _key, Length, salt: null, info: Encoding.UTF8.GetBytes("identity/" + purpose));

    /// <summary>Reads the key, or makes the file with mode 0600; of two processes that start at once, both get the one key.</summary>
    /// <exception cref="StartFailureException">The file cannot be used.</exception>
    public static MasterKey Load(StorageSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.MasterKey is { } key)
        {
            return new(key);
        }

        var file = Path.Combine(settings.DataDirectory, "master.key");
        try
        {
            if (!File.Exists(file))
            {
                EmbeddedFiles.CreateDirectory(settings.DataDirectory);
                using (EmbeddedFiles.Lock(file + ".lock"))
                {
                    if (!File.Exists(file))
                    {
                        Create(file);
                    }
                }
            }

            return new(Read(file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StartFailureException($"DATA_DIR: expected a folder that can be written, where MASTER_KEY is unset; {file} can be neither read nor made.", exception);
        }
    }

    private static byte[] Read(string file)
    {
        var key = new byte[Length];
        return Convert.TryFromBase64String(File.ReadAllText(file).Trim(), key, out var length) && length == Length
            ? key
            : throw new StartFailureException($"MASTER_KEY: the file {file} is expected to hold 32 bytes in base64; restore it, since what was encrypted under it is lost without it.");
    }

    private static void Create(string file)
    {
        // Written whole under another name first: a crash leaves either no key or the whole key.
        var temporary = file + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(temporary, EmbeddedFiles.Options(FileMode.CreateNew, FileShare.None)))
        {
            stream.Write(Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(Length)) + "\n"));
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, file, overwrite: false);
    }
}
